// W3: type to align. The trained model runs in the page (its exported graph) on what the
// reader types; the attention of any step can be taken in hand.

import { load } from "../graph.js";
import { h, text } from "../core/dom.js";
import { num, percent } from "../core/format.js";
import { argmax, softmax } from "../core/maths.js";
import { alignmentBoard } from "../core/board.js";
import { parse } from "../core/chinese.js";
import { switcher } from "../core/controls.js";
import { beam, greedy, shiftRow, tidyRow, translator } from "../core/decode.js";
import { roving, tabStop } from "../core/keys.js";
import { createSelection } from "../core/selection.js";
import { barRow } from "../views/bar_row.js";
import { tokenStrip } from "../views/token_strip.js";
import { equation } from "../services/equation.js";
import { goals, predict } from "../services/gate.js";
import { scrubber } from "../services/scrubber.js";
import { contextLines, forward as measure } from "../core/alignment.js";
import { characters, narrow } from "../core/characters.js";

export const keys = [
  ["← →", "source position (in a strip or the matrix)"],
  ["↑ ↓", "output step (in the matrix)"],
  ["Shift ← →", "move the attention of the step"],
  ["Space", "put all attention of the step on the active cell"],
  ["Home End", "ends of the row (with Ctrl: of the matrix)"],
  ["Enter, Esc", "hold the selection, let it go"],
];

/** Symbols of a text and their numbers; what the model does not know is marked. */
export function read(words, data) {
  const typed = narrow(words);
  const symbols = data.split === "words" ? typed.trim().split(/\s+/).filter(Boolean) : characters(typed);
  const index = new Map(data.source_symbols.map((symbol, i) => [symbol, i]));
  const kept = symbols.slice(0, data.max_source);
  const ids = kept.map((symbol) => (index.get(symbol) > data.unk ? index.get(symbol) : data.unk));
  return { symbols: kept, ids, unknown: ids.map((id) => id === data.unk), cut: symbols.length - kept.length, narrowed: typed !== words };
}

/** The forced rows that fit a source of this length, as { step: row }. */
export function fitting(forced, length) {
  const rows = Object.entries(forced ?? {}).filter(([step, row]) => /^\d+$/.test(step) && Array.isArray(row)
    && row.length === length && row.every((w) => w >= 0) && row.some((w) => w > 0));
  return Object.fromEntries(rows);
}

export function mount({ root, data, state, update, report, kernel }) {
  const model = data.model ? translator(load(data.model), data) : null;
  let now = state;
  let shown = null; // { input, free, used } of the present state
  const selection = createSelection({ output: state.step, source: 0, symbol: 0 });
  const change = (patch, from = 0) => { now = { ...now, ...patch }; update(patch); refresh(from); };

  const field = h("input", { class: "at-input at-wide", type: "text", autocomplete: "off", spellcheck: "false", lang: data.lang, "aria-label": data.prompt, value: state.text });
  const typed = (event) => { if (!event.isComposing) change({ text: field.value, forced: {} }); };
  field.addEventListener("input", typed);
  field.addEventListener("compositionend", () => change({ text: field.value, forced: {} }));
  let turn = 0;
  const next = h("button", { type: "button", class: "at-button", onclick: () => {
    turn = (turn + 1) % Math.max(1, data.examples.length);
    change({ text: data.examples[turn].source, forced: {}, step: 0 });
  } }, "Another example");
  const search = switcher({ label: "Search", options: [["greedy", "Greedy"], ["beam", `Beam of ${data.beam_size}`]], onpick: (name) => change({ search: name }) });
  const notice = h("p", { class: "at-notice", role: "status" });
  const board = alignmentBoard({ selection, names: { source: "Source", output: "Output", matrix: "Attention weights: one row per output step" }, onForce: force, lang: data.lang });
  const scrub = scrubber({ label: "Output step", axis: "output", selection, say: (i) => `${i + 1}, ${shown?.output[i] ?? ""}`, follow: board.follow });
  const bars = barRow({ label: "Next symbol: the five most probable", axis: "symbol", selection, stacked: true });
  const release = h("button", { type: "button", class: "at-button", onclick: () => change({ forced: {} }) }, "Release all");
  const here = h("button", { type: "button", class: "at-button", onclick: () => force(selection.value.output, { place: selection.value.source }) }, "Look here instead");
  const own = tokenStrip({ label: "Output without your override", axis: "output", selection });
  const verdict = h("p", { class: "at-small" });
  const diff = h("div", { class: "at-diff" }, h("div", { class: "at-label" }, "Without your override the model writes"), own.el, verdict);
  const key = h("span", {}, h("span", { class: "at-truth-key", "aria-hidden": "true" }), " true source position.");
  const terms = equation({ label: "One step in numbers", selection });
  const sum = predict({ question: "Before you count: what does each row of the matrix sum to?", saved: { guess: state.guess, revealed: state.revealed },
    answer: () => ({ value: 1, tolerance: 0.005, explain: "Softmax divides by the sum, so every row spends exactly one unit of attention; your override obeys the same rule." }),
    save: (patch) => { now = { ...now, ...patch }; update(patch); } });
  const todo = goals(tasks());
  const live = h("div", { class: "at-live" }, board.strips, diff,
    h("div", { class: "at-duo" },
      h("section", { class: "at-step", "aria-label": "Attention weights" },
        h("div", { class: "at-head" }, h("b", {}, "Attention"), h("span", { class: "at-quiet" }, "row: output, column: source")), board.matrix,
        h("p", { class: "at-small" }, h("span", { class: "at-knob-key", "aria-hidden": "true" }), " drag the ring to make this step look elsewhere. ", key)),
      h("section", { class: "at-step", "aria-label": "One output step" }, h("div", { class: "at-follow" }, scrub.el, bars.el, h("div", { class: "at-buttons" }, here, release), terms.el))));
  root.append(h("div", { class: "at at-w3" },
    h("div", { class: "at-controls at-ask" }, field, data.examples.length ? next : null, search.el),
    palette(data, (symbol) => change({ text: now.text + symbol, forced: {} })), notice, live,
    h("details", { class: "at-more" }, h("summary", {}, "Predict: the sum of a row"), sum.el), todo.el));

  function force(step, { shift, place, base }) {
    const row = base ?? shown.used.weights[step];
    const moved = shift === undefined ? row.map((_, i) => Number(i === place)) : shiftRow(row, shift);
    selection.pick({ output: step, source: argmax(moved) });
    change({ forced: { ...fitting(now.forced, row.length), [step]: tidyRow(moved) }, step }, step);
  }
  const symbol = (id) => (id === data.eos ? "⟨eos⟩" : data.target_symbols[id]);
  /** Translation and true places of what is read: an example's, or read off the text. */
  function known({ symbols }) {
    const source = symbols.join(data.split === "words" ? " " : "");
    return data.examples.find((item) => item.source === source) ?? (data.grammar ? parse(source, data.grammar) : null);
  }
  function decode(input, forced, old, from) {
    if (now.search === "beam") return beam(model, input.ids, data, forced, data.beam_size, data.length_penalty);
    return greedy(model, input.ids, data, forced, old, from);
  }
  /** Decode again from a step on (0: the source changed) and draw. */
  function refresh(from = 0) {
    const input = read(now.text, data);
    if (!input.ids.length) { blank("Type something: the model reads it at once."); return; }
    const forced = fitting(now.forced, input.ids.length);
    if (!model) { viaKernel(input, forced); return; }
    const same = shown?.key === `${now.search}:${input.ids}` ? shown : null;
    const free = same?.free ?? decode(input, {}, null, 0);
    const used = !Object.keys(forced).length ? free : decode(input, forced, same?.used, from);
    show(input, forced, free, used);
  }
  /** No graph in the page: the same numbers from Python, where a kernel answers. */
  async function viaKernel(input, forced) {
    if (!(await kernel.ready)) { blank(`${data.reason} No Python kernel answers here, so this widget rests; the picture below the page’s text shows its first state.`); return; }
    const answer = await kernel.call("translate", { text: input.symbols, search: now.search, forced }).catch((error) => error);
    if (answer instanceof Error) blank(`Python did not answer: ${answer.message}`);
    else show(input, forced, answer.free, answer.used);
  }
  function blank(words) {
    live.hidden = true;
    shown = null;
    text(notice, words);
    report({ tokens: [], weights: [], logits: [] }, words);
  }

  function show(input, forced, free, used) {
    const output = used.tokens.map(symbol);
    const sure = known(input);
    const truth = sure?.alignment;
    const fresh = String(shown?.input.ids) !== String(input.ids);
    shown = { key: `${now.search}:${input.ids}`, input, forced, free, used, output, truth: truth && output.map((_, t) => truth[t] ?? []), target: sure?.target };
    live.style.setProperty("--rows", output.length);
    live.classList.toggle("at-crowd", Math.max(input.ids.length, output.length) > 12);
    live.hidden = false;
    const edited = Object.keys(forced).length > 0;
    const [changed, lost] = differences(used.tokens, free.tokens);
    board.update({ source: input.symbols, output, weights: used.weights, truth: shown.truth, forced: output.map((_, t) => t in forced),
      sourceNotes: input.unknown.map((is) => (is ? "unknown" : "")), outputNotes: output.map((_, t) => [t in forced ? "forced" : "", changed[t] ? "changed" : ""].filter(Boolean).join(" ")) });
    scrub.update(output.length);
    diff.hidden = !edited;
    release.disabled = !edited;
    if (edited) {
      own.update({ tokens: free.tokens.map(symbol), notes: lost.map((is) => (is ? "changed" : "")) });
      const now_ = output.filter((_, t) => changed[t]).join(" ");
      const then = free.tokens.filter((_, t) => lost[t]).map(symbol).join(" ");
      text(verdict, now_ || then ? `Your override wrote ${now_ || "nothing"} in place of ${then || "nothing"}.` : "Your override changed no symbol: what else the model knows may have decided it.");
    }
    const unknown = input.symbols.filter((_, i) => input.unknown[i]);
    text(notice, [unknown.length ? `Not in the vocabulary, read as unknown: ${[...new Set(unknown)].join(" ")}.` : "",
      input.narrowed ? "Full-width digits are read as 0 to 9." : "",
      input.cut ? `Only the first ${data.max_source} ${data.split} are read; ${input.cut} left out.` : "",
      model ? "" : `${data.reason} Computed by Python.`].filter(Boolean).join(" "));
    if (field.value !== now.text) field.value = now.text;
    search.set(now.search);
    key.hidden = !truth;
    const step = Math.min(now.step, output.length - 1);
    if (fresh || selection.value.output !== step) selection.pick({ output: step, ...board.follow(step) });
    choose(true);
  }

  /** What hangs on the selected step and source position. */
  function choose(speak) {
    if (!shown) return;
    const { input, used, output } = shown;
    const step = Math.min(selection.value.output, output.length - 1);
    const place = Math.min(selection.value.source, input.ids.length - 1);
    const odds = softmax(used.logits[step]);
    const top = [...odds.keys()].sort((a, b) => odds[b] - odds[a]).slice(0, 5);
    bars.update({ names: top.map(symbol), values: top.map((id) => odds[id]), marks: top.map((id) => id === used.tokens[step]) });
    const lines = contextLines(input.symbols, output, used.weights, step, place);
    terms.update([...lines, { name: "output", parts: [`*p*(${output[step]} | *c*_${step + 1}_, …) = `, { text: num(odds[used.tokens[step]], 3), pick: { output: step, symbol: top.indexOf(used.tokens[step]) }, kind: "weight" }] }]);
    const facts = measure({ weights: used.weights, truth: shown.truth });
    todo.update({ ...shown, facts });
    const six = (row) => row.map((x) => Math.round(1e6 * x) / 1e6);
    report({ source: input.ids, tokens: used.tokens, output, weights: used.weights.map(six), logits: used.logits.map(six),
      row_sums: facts.row_sums, pointing: facts.pointing, free: shown.free.tokens, forced: Object.keys(shown.forced).map(Number), step, goals: todo.done },
    speak ? `${output.filter((word) => word !== "⟨eos⟩").join(" ")}. Step ${step + 1} writes ${output[step]} and reads ${input.symbols[argmax(used.weights[step])]} with ${percent(Math.max(...used.weights[step]))}.` : undefined);
  }
  selection.on(({ output }) => {
    if (shown && output !== now.step) { now = { ...now, step: output }; update({ step: output }); }
    choose(true);
    if (shown) board.reveal();
  });
  refresh();
  return {
    set: (next_) => {
      now = next_;
      sum.update({ guess: now.guess, revealed: now.revealed });
      refresh();
    },
    tables: () => (shown ? [...board.tables(), bars.table()] : []),
    destroy: scrub.destroy,
  };
}

/** What each of two lists has that is not in their longest common part. */
export function differences(a, b) {
  const size = [...a, 0].map(() => Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      size[i][j] = a[i] === b[j] ? size[i + 1][j + 1] + 1 : Math.max(size[i + 1][j], size[i][j + 1]);
    }
  }
  const [onlyA, onlyB] = [a.map(() => true), b.map(() => true)];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) { onlyA[i] = false; onlyB[j] = false; i += 1; j += 1; }
    else if (size[i + 1][j] >= size[i][j + 1]) i += 1;
    else j += 1;
  }
  return [onlyA, onlyB];
}

/** One step whose look and symbol are not both right or both wrong, in words. */
function disagreement({ input, output, target, truth, used }, at) {
  const place = argmax(used.weights[at]);
  const look = `looks at ${input.symbols[place]}, position ${place + 1}`;
  return truth[at].includes(place) ? `Step ${at + 1} ${look}, in the ring, and writes ${output[at]}, not ${target[at]}.`
    : `Step ${at + 1} ${look}, beside the ring, and writes ${output[at]}, which is right.`;
}

/** What to reach by playing with the model. */
function tasks() {
  const wrong = ({ output, target, truth, used, forced }) => {
    if (!truth || !target || Object.keys(forced).length) return null;
    return output.findIndex((word, t) => truth[t].length && target[t] !== undefined
      && (word === target[t]) !== truth[t].includes(argmax(used.weights[t])));
  };
  return [
    { title: "Take one step in hand: move its attention so that another symbol is written.",
      check: ({ output, free, used, forced }) => {
        const done = Object.keys(forced).length > 0 && String(used.tokens) !== String(free.tokens);
        return { done, say: done ? `Now it writes ${output.filter((w) => w !== "⟨eos⟩").join(" ")}.` : "" };
      } },
    { title: "Find attention and answer in disagreement: a source where a step looks at the true character and still writes a wrong symbol, or looks elsewhere and is right (the truth of examples, dates, numbers and phrases is known).",
      check: (arrays) => {
        const at = wrong(arrays);
        if (at === null && Object.keys(arrays.forced).length) return { done: false, say: "Release your override first: this is about what the model does by itself." };
        if (at === null) return { done: false, say: "The truth of this text is not known here; try “Another example”, or type a date." };
        return { done: at >= 0, say: at >= 0 ? disagreement(arrays, at) : "Here they agree at every step." };
      } },
    { title: "Give it a character that it has never seen, and see which step reads it.",
      check: ({ input, used }) => {
        const readers = used.weights.map((row, t) => (input.unknown[argmax(row)] ? t + 1 : 0)).filter(Boolean);
        return { done: input.unknown.some(Boolean), say: readers.length ? `Read by step ${readers.join(", ")}.` : "" };
      } },
  ];
}

/** Symbols to tap, for readers whose keyboard has none of them. */
function palette(data, onpick) {
  if (!data.palette.length) return null;
  const buttons = data.palette.map((symbol) => h("button", { type: "button", class: "at-tap", lang: data.lang, onclick: () => onpick(symbol) }, symbol));
  const bar = h("div", { class: "at-palette", role: "toolbar", "aria-label": "Symbols that the model knows" }, ...buttons);
  roving(bar, () => buttons, (i) => tabStop(buttons, i));
  tabStop(buttons, 0);
  return h("details", { class: "at-fold" }, h("summary", {}, "Tap symbols instead of typing"), bar);
}
