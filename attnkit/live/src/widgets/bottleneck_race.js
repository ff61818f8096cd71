// W4: bottleneck race. Two trained decoders, one that sees a single vector and one that
// attends, write the same source in the page; their accuracy by length, over several runs.

import { load } from "../graph.js";
import { characters, narrow } from "../core/characters.js";
import { parse } from "../core/chinese.js";
import { h, text } from "../core/dom.js";
import { num, percent } from "../core/format.js";
import { argmax } from "../core/maths.js";
import { slider } from "../core/controls.js";
import { greedy, translator } from "../core/decode.js";
import { roving, tabStop } from "../core/keys.js";
import { createSelection } from "../core/selection.js";
import { curve } from "../views/curve.js";
import { tokenStrip } from "../views/token_strip.js";
import { goals, predict } from "../services/gate.js";

export const keys = [
  ["← →", "another length (slider, curve); another symbol (strips)"],
  ["Home End", "first, last"],
  ["Enter, Esc", "hold the selection, let it go"],
];

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "Enter", " "];
const STYLE = `
.at-w4 .at-band { opacity: .22; }
.at-w4 .at-reveal { max-width: 600px; }
.at-w4 .at-chip[data-note~="wrong"] { border: 2px solid var(--at-extra); font-weight: 700; }
.at-w4 .at-chip[data-note~="wrong"]::after { content: "✗"; color: var(--at-extra); font-size: 12px; line-height: 1; }
.at-w4 .at-chip[data-note~="differs"] { border: 2px dashed var(--at-extra); }
.at-w4 .at-chip[data-note~="origin"] { border: 2px solid var(--at-key); }
.at-w4 .at-chip[aria-selected="true"] { outline: 2px solid var(--frame-text); outline-offset: -4px; }
.at-w4 .at-lanes { display: grid; gap: 8px; padding: 2px; }
.at-w4 .at-tall .at-chip { min-height: 6.4em; font-size: 13px; }
.at-w4 .at-tall .at-long { writing-mode: vertical-rl; }
.at-w4 .at-tall .at-long { grid-auto-flow: column; }
.at-w4 .at-tall .at-long::after { writing-mode: horizontal-tb; }
@container (max-width: 620px) { .at-w4 .at-out .at-long { grid-auto-flow: column; } .at-w4 .at-out .at-long::after { writing-mode: horizontal-tb; } .at-w4 .at-lanes .at-chip { font-size: 11px; padding: 2px 0; border-width: 1px; } .at-w4 .at-out .at-chip { min-height: 6.4em; } .at-w4 .at-out .at-long { writing-mode: vertical-rl; } }
@media (forced-colors: active) { .at-w4 .at-chip[data-note~="wrong"], .at-w4 .at-chip[data-note~="origin"] { border-color: Highlight; } }
`;

/** Mean, lowest and highest of several runs, length by length. */
export function bands(runs) {
  const columns = runs[0].map((_, i) => runs.map((run) => run[i]));
  return {
    mean: columns.map((column) => column.reduce((a, b) => a + b, 0) / column.length),
    low: columns.map((column) => Math.min(...column)),
    high: columns.map((column) => Math.max(...column)),
  };
}

/** The first length at which the values lie below a limit; null where none does. */
export function firstBelow(lengths, values, limit = 0.5) {
  const at = values.findIndex((value) => value < limit);
  return at < 0 ? null : lengths[at];
}

/** Symbols of a text, at most `most`, their numbers, and which of them are unknown. */
export function read(words, data) {
  const typed = narrow(words);
  const symbols = characters(typed);
  const index = new Map(data.source_symbols.map((symbol, i) => [symbol, i]));
  const kept = symbols.slice(0, data.max_source);
  const ids = kept.map((symbol) => (index.get(symbol) > data.unk ? index.get(symbol) : data.unk));
  return { symbols: kept, ids, unknown: ids.map((id) => id === data.unk), cut: symbols.length - kept.length, narrowed: typed !== words };
}

/** Which positions of the reference are written wrongly; a missing symbol is wrong. */
export const errors = (tokens, target) => target.map((id, t) => tokens[t] !== id);

export function mount({ root, data, state, update, report, kernel }) {
  const racers = data.models ? data.models.map((model) => translator(load(model), data)) : null;
  const spread = data.accuracy.map(bands);
  const crossing = firstBelow(data.lengths, spread[0].mean);
  let now = state;
  let shown = null;
  const place = (length) => Math.max(0, data.lengths.indexOf(length));
  const selection = createSelection({ length: place(state.length), output: state.step, source: null, series: 1 });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); refresh(); };
  const pool = (length) => data.examples.filter((item) => [...item.source].length === length);
  /** Translation and true places of what is read: an example's, or read off the text. */
  const known = (source) => data.examples.find((item) => item.source === source) ?? (data.grammar ? parse(source, data.grammar) : null);
  const nearest = (size) => data.lengths.reduce((a, b) => (Math.abs(b - size) < Math.abs(a - size) ? b : a));
  const symbol = (id) => (id === undefined ? "" : id === data.eos ? "⟨eos⟩" : data.target_symbols[id]);
  let bySelf = false; // while the first error of a new text is selected: no step to undo
  let byReader = false; // whether the selected step was chosen, and not set by a new text

  const field = h("input", { class: "at-input at-wide", type: "text", autocomplete: "off", spellcheck: "false", lang: data.lang, "aria-label": data.prompt, value: state.text });
  field.addEventListener("input", (event) => { if (!event.isComposing) typed(field.value); });
  field.addEventListener("compositionend", () => typed(field.value));
  const next = h("button", { type: "button", class: "at-button", onclick: () => go(now.length, now.turn + 1) }, "Another of this length");
  const length = slider({ label: "Length of the source, in characters", stops: data.lengths, digits: 0, oninput: (value) => go(value) });
  const notice = h("p", { class: "at-notice", role: "status" });
  const source = tokenStrip({ label: "Source", axis: "source", selection, lang: data.lang });
  const lane = (label) => ({ ...tokenStrip({ label, axis: "output", selection }), head: h("div", { class: "at-label" }, label), label });
  const truth = lane("Right answer");
  const lanes = data.names.map((name) => lane(`${name[0].toUpperCase()}${name.slice(1)} writes`));
  const weights = h("div", { class: "at-label" }, "Source");
  const answer = h("div", {}, truth.head, truth.el);
  const out = h("div", { class: "at-lanes at-out" }, answer, ...lanes.map((one) => h("div", {}, one.head, one.el)));
  const low = data.trained[0];
  const chart = curve({ label: `Share of symbols right, by length: mean of ${data.accuracy[0].length} runs, band from worst to best`,
    xLabel: `characters in the source (trained: ${low} to ${data.trained[1]})`, yLabel: "", xAxis: "length", seriesAxis: "series", names: data.names, top: 1, selection, ticks: 5 });
  const legend = h("p", { class: "at-small" }, `Full line: ${data.names[0]}. Broken line: ${data.names[1]}. The cursor picks a text of that length.`);
  const gate = predict({ question: `Predict: at which length does the ${data.names[0]} first get less than half of the symbols right?`, unit: "characters",
    saved: { guess: state.guess, revealed: state.revealed }, save: (patch) => { now = { ...now, ...patch }; update(patch); }, reveal: h("div", {}, chart.el, legend),
    answer: () => ({ value: crossing ?? Number.NaN, tolerance: data.tolerance, digits: 0, explain: crossing === null ? "It never does at these lengths."
      : `There it gets ${num(spread[0].mean[place(crossing)])}, and ${data.names[1]} gets ${num(spread[1].mean[place(crossing)])}. (Measured at ${data.lengths.join(", ")}.)` }) });
  const todo = goals(tasks(data));
  const live = h("div", { class: "at-live" }, h("div", { class: "at-lanes" }, h("div", {}, weights, source.el)), out);
  root.append(h("style", {}, STYLE), h("div", { class: "at at-w4" },
    h("div", { class: "at-controls at-ask" }, field, next), palette(data, (one) => typed(now.text + one)),
    h("div", { class: "at-controls" }, length.el), notice, live, gate.el, todo.el));
  chart.update({ x: data.lengths, series: spread });
  out.addEventListener("keydown", (event) => { byReader ||= MOVES.includes(event.key); }, true); // before a strip moves
  out.addEventListener("click", (event) => {
    if (!event.target.closest(".at-chip")) return;
    byReader = true;
    choose(false); // also where this step was selected already
  });

  /** An own text: the slider goes to the measured length that is nearest. */
  function typed(words) {
    const count = read(words, data).ids.length;
    const size = count ? nearest(count) : now.length;
    now = { ...now, length: size };
    selection.pick({ length: place(size) });
    change({ text: words, length: size, step: -1 });
  }

  /** A known text of this length; the turn counts through them. */
  function go(value, turn = 0) {
    const found = pool(value);
    const text_ = found.length ? found[turn % found.length].source : now.text;
    selection.pick({ length: place(value) });
    change({ length: value, turn, text: text_, step: -1 });
  }

  function refresh() {
    byReader = false;
    const input = read(now.text, data);
    const found = pool(now.length);
    const at = found.findIndex((item) => item.source === input.symbols.join(""));
    length.set(now.length);
    text(length.el.querySelector(".at-num"), `${input.ids.length || now.length}`);
    text(next, at < 0 ? "A known text of this length" : `Another of this length (${at + 1} of ${found.length})`);
    next.disabled = found.length < 2 && at >= 0;
    if (!input.ids.length) { blank("Type something: both models read it at once."); return; }
    if (racers) show(input, racers.map((model) => greedy(model, input.ids, data)));
    else viaKernel(input);
  }
  async function viaKernel(input) {
    if (!(await kernel.ready)) { blank(`${data.reason} No Python kernel answers here, so this widget rests.`); return; }
    const answer = await kernel.call("race", { text: input.symbols }).catch((error) => error);
    if (answer instanceof Error) blank(`Python did not answer: ${answer.message}`);
    else show(input, answer);
  }
  function blank(words) {
    live.hidden = true;
    shown = null;
    text(notice, words);
    report({ tokens: [], weights: [], logits: [] }, words);
  }

  function show(input, results) {
    const item = known(input.symbols.join(""));
    const target = item ? [...item.target.map((word) => data.target_symbols.indexOf(word)), data.eos] : null;
    const wrong = target ? results.map((result) => errors(result.tokens, target)) : null;
    shown = { input, results, item, target, wrong };
    live.hidden = false;
    const unknown = input.symbols.filter((_, i) => input.unknown[i]);
    text(notice, [unknown.length ? `Not in the vocabulary, read as unknown: ${[...new Set(unknown)].join(" ")}.` : "",
      input.cut ? `Only the first ${data.max_source} characters are read; ${input.cut} left out.` : "",
      input.narrowed ? "Full-width digits are read as 0 to 9." : "",
      item ? "" : `The right answer of this text is not known here${data.grammar ? " (it is for dates, numbers, phrases, and lists of them)" : ""}; dashed frames show where the two differ.`,
      racers ? "" : `${data.reason} Computed by Python.`].filter(Boolean).join(" "));
    if (field.value !== now.text) field.value = now.text;
    const count = Math.max(...results.map((result) => result.tokens.length), target?.length ?? 0);
    const fill = (ids) => Array.from({ length: count }, (_, t) => symbol(ids[t]));
    answer.hidden = !target;
    if (target) truth.update({ tokens: fill(target) });
    out.classList.toggle("at-tall", count > 9);
    results.forEach(({ tokens }, m) => {
      const other = results[1 - m].tokens;
      const notes = fill(tokens).map((_, t) => (target ? (t < target.length ? wrong[m][t] : tokens[t] !== undefined) ? (tokens[t] === undefined ? "missing wrong" : "wrong") : "" : tokens[t] !== other[t] ? "differs" : ""));
      lanes[m].update({ tokens: fill(tokens), notes });
      text(lanes[m].head, wrong ? `${lanes[m].label} (${wrong[m].filter((x) => !x).length} of ${target.length} right)` : lanes[m].label);
    });
    const first = wrong ? Math.max(0, wrong[0].indexOf(true)) : 0;
    const step = now.step < 0 ? first : Math.min(now.step, count - 1);
    if (selection.value.output === step) choose(true);
    else {
      bySelf = true;
      selection.pick({ output: step });
      bySelf = false;
    }
  }

  /** What hangs on the selected step: where it comes from, what each model makes of it. */
  function choose(speak) {
    if (!shown) return;
    const { input, results, item, target, wrong } = shown;
    const step = selection.value.output;
    const from = item?.alignment[step] ?? [];
    const row = results[1].weights[step];
    source.update({ tokens: input.symbols, weights: row ?? input.symbols.map(() => 0),
      notes: input.symbols.map((_, s) => [from.includes(s) ? "origin" : "", input.unknown[s] ? "unknown" : ""].filter(Boolean).join(" ")) });
    text(weights, `Source (shaded: what ${data.names[1]} reads at this step${target ? "; framed: where the right symbol comes from" : ""})`);
    const said = results.map(({ tokens }, m) => `${data.names[m]} writes ${symbol(tokens[step]) || "nothing"}`).join(", ");
    const origin = from.map((s) => input.symbols[s]).join("");
    const right = target && step < target.length ? `Step ${step + 1} should write ${symbol(target[step])}${origin ? `, from ${origin}` : ", which no character says"}: ` : `Step ${step + 1}: `;
    const looks = row ? ` ${data.names[1][0].toUpperCase()}${data.names[1].slice(1)} reads ${input.symbols[argmax(row)]} with ${percent(Math.max(...row))}; the ${data.names[0]} cannot look.` : "";
    const words = `${right}${said}.${looks}`;
    todo.update({ ...shown, origin: from, step, byReader });
    const six = (list) => list.map((x) => Math.round(1e6 * x) / 1e6);
    report({ source: input.ids, tokens: results.map((r) => r.tokens), logits: results.map((r) => r.logits.map(six)), weights: results[1].weights.map(six),
      errors: wrong ? wrong.map((list) => list.filter(Boolean).length) : [], origin: from, step, length: now.length,
      mean: spread.map((s) => six(s.mean)), low: spread.map((s) => six(s.low)), high: spread.map((s) => six(s.high)), first_below: crossing, goals: todo.done },
    speak ? words : undefined);
  }
  selection.on(({ output, length: i }) => {
    if (data.lengths[i] !== now.length) { go(data.lengths[i]); return; }
    if (shown && !bySelf && output !== now.step) { now = { ...now, step: output }; update({ step: output }); }
    choose(true);
  });
  refresh();
  return {
    set: (next_) => {
      now = next_;
      gate.update({ guess: now.guess, revealed: now.revealed });
      selection.pick({ length: place(now.length) });
      refresh();
    },
    tables: () => [chart.table(), ...(shown ? [shown.target ? truth.table() : null, ...lanes.map((one) => one.table())].filter(Boolean) : [])],
  };
}

/** What to reach by playing with the race. */
function tasks(data) {
  const count = (list) => list.filter(Boolean).length;
  const name = data.names[0];
  return [
    { title: `Find a text of at most 8 characters that the ${name} gets wrong and ${data.names[1]} gets right.`,
      check: ({ input, wrong }) => ({ done: Boolean(wrong) && input.ids.length <= 8 && count(wrong[0]) > 0 && count(wrong[1]) === 0,
        say: wrong ? `Here: ${count(wrong[0])} and ${count(wrong[1])} wrong.` : "" }) },
    { title: `Find a text that ${data.names[1]} gets wrong too.`,
      check: ({ input, wrong }) => ({ done: Boolean(wrong) && count(wrong[1]) > 0, say: wrong && count(wrong[1]) ? `It has ${input.ids.length} characters.` : "" }) },
    { title: `Select an error of the ${name} that comes from one of the last three characters.`,
      check: ({ input, wrong, origin, step, byReader }) => ({ done: byReader && Boolean(wrong?.[0][step]) && origin.length > 0 && origin.every((s) => s >= input.ids.length - 3), say: "" }) },
  ];
}

/** Symbols to tap, for readers whose keyboard has none of them. */
function palette(data, onpick) {
  if (!data.palette.length) return null;
  const buttons = data.palette.map((one) => h("button", { type: "button", class: "at-tap", lang: data.lang, onclick: () => onpick(one) }, one));
  const bar = h("div", { class: "at-palette", role: "toolbar", "aria-label": "Symbols that the models know" }, ...buttons);
  roving(bar, () => buttons, (i) => tabStop(buttons, i));
  tabStop(buttons, 0);
  return h("details", { class: "at-fold" }, h("summary", {}, "Tap symbols instead of typing"), bar);
}
