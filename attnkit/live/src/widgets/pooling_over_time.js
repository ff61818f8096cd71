// W5: pooling over time. Trained classifiers run in the page on what the reader types;
// beside the weight of a word stands what the class loses when the word is erased.

import { load } from "../graph.js";
import { h, text } from "../core/dom.js";
import { num, percent } from "../core/format.js";
import { argmax, softmax } from "../core/maths.js";
import { switcher } from "../core/controls.js";
import { roving, tabStop } from "../core/keys.js";
import { createSelection } from "../core/selection.js";
import { barRow } from "../views/bar_row.js";
import { curve } from "../views/curve.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { tokenStrip } from "../views/token_strip.js";
import { goals } from "../services/gate.js";

export const keys = [
  ["← →", "another word (in the text, the curve or the matrix)"],
  ["Delete", "erase the word (in the text)"],
  ["Shift ← →", "swap the word with its neighbour (in the text)"],
  ["Home End", "first, last word"],
];

/** Words and stops of a text, at most `most`; what the vocabulary lacks is marked. */
export function read(line, data) {
  const found = line.toLowerCase().match(/[\p{L}\p{N}_'’-]+|[.,!?;]/gu) ?? [];
  const index = new Map(data.symbols.map((symbol, i) => [symbol, i]));
  const words = found.slice(0, data.max_steps);
  const ids = words.map((word) => (index.get(word) > data.unk ? index.get(word) : data.unk));
  return { words, ids, unknown: ids.map((id) => id === data.unk), cut: found.length - words.length };
}

/** The text, then the text without each of its words, padded: what one call takes. */
export function rows(ids, size, pad) {
  const texts = [ids, ...ids.map((_, i) => ids.filter((__, k) => k !== i))];
  const tokens = new Float32Array((size + 1) * size).fill(pad);
  const mask = new Float32Array((size + 1) * size);
  texts.forEach((list, row) => list.forEach((id, t) => { tokens[row * size + t] = id; mask[row * size + t] = 1; }));
  return { tokens, mask };
}

/** The number-th order of `count` places, the same as in Python. */
export function shuffled(count, number) {
  const factor = Math.imul(2 * number + 1, 0x9e3779b1);
  const key = (i) => Math.imul(i + 1, factor) >>> 0;
  return [...Array(count).keys()].sort((a, b) => key(a) - key(b));
}

/** Ranks from 1; values that agree to three decimals share their mean rank. */
export function ranks(values) {
  const near = values.map((value) => Math.round(1000 * value));
  return near.map((a) => near.filter((b) => b < a).length + (near.filter((b) => b === a).length + 1) / 2);
}

/** Spearman's rank correlation; null where all values of one side agree. */
export function rankCorrelation(one, two) {
  const centred = (list) => { const mean = list.reduce((a, b) => a + b, 0) / list.length; return list.map((x) => x - mean); };
  const [a, b] = [centred(ranks(one)), centred(ranks(two))];
  const product = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  const size = Math.sqrt(product(a, a) * product(b, b));
  return size > 0 ? product(a, b) / size : null;
}

/** All numbers of one text under one pooling. `run` is the model's graph. */
export function forward(run, ids, data, shuffle = 0) {
  const size = data.max_steps;
  const given = rows(ids, size, data.pad);
  const call = (forced, use) => run({ ...given, forced, use_forced: use });
  let out = call(new Float32Array((size + 1) * size), new Float32Array(size + 1));
  if (shuffle) {
    const forced = new Float32Array((size + 1) * size);
    shuffled(ids.length, shuffle).forEach((from, to) => { forced[to] = out.weights.data[from]; });
    out = call(forced, Float32Array.from({ length: size + 1 }, (_, i) => Number(i === 0)));
  }
  const count = data.classes.length;
  const width = out.states.shape[2];
  const odds = Array.from({ length: ids.length + 1 }, (_, i) => softmax([...out.logits.data.slice(i * count, (i + 1) * count)]));
  const best = argmax(odds[0]);
  const weights = [...out.weights.data.slice(0, ids.length)];
  const drops = odds.slice(1).map((row) => odds[0][best] - row[best]);
  const states = ids.map((_, t) => [...out.states.data.slice(t * width, (t + 1) * width)]);
  return { logits: [...out.logits.data.slice(0, count)], odds: odds[0], best, weights, drops, states,
    flips: odds.slice(1).map((row) => argmax(row) !== best), rank: rankCorrelation(weights, drops) };
}

export function mount({ root, data, state, update, report }) {
  const models = load(data.model);
  let now = state;
  let shown = null;
  let turn = 0;
  let move = null; // what the reader did last: { word, top, flipped }
  const selection = createSelection({ step: state.step, class: 0, channel: 0, series: 1 });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); refresh(); };
  const rewrite = (line, step = now.step) => change({ text: line, shuffle: 0, step });

  const field = h("input", { class: "at-input at-wide", type: "text", autocomplete: "off", spellcheck: "false", "aria-label": `Text to judge, up to ${data.max_steps} words`, value: state.text,
    oninput: (event) => { if (!event.isComposing) { move = null; rewrite(field.value, 0); } } });
  field.addEventListener("compositionend", () => { move = null; rewrite(field.value, 0); });
  const next = h("button", { type: "button", class: "at-button", onclick: () => {
    turn = (turn + 1) % data.examples.length;
    move = null;
    rewrite(data.examples[turn], 0);
  } }, "Another example");
  const say = (name) => name[0].toUpperCase() + name.slice(1);
  const pick = switcher({ label: "Pooling", options: data.poolings.map((name) => [name, say(name)]), onpick: (pooling) => change({ pooling, shuffle: 0 }) });
  const notice = h("p", { class: "at-notice", role: "status" });
  const strip = tokenStrip({ label: "Words, filled by their weight", axis: "step", selection });
  const button = (words, act) => h("button", { type: "button", class: "at-button", onclick: act }, words);
  const erase = button("Erase the word", () => eraseStep(at()));
  const swap = button("Swap with the next", () => swapSteps(at(), at() + 1));
  const shuffle = button("Shuffle the weights", () => change({ shuffle: now.shuffle + 1 }));
  const own = button("Own weights", () => change({ shuffle: 0 }));
  const bars = barRow({ label: "Class", axis: "class", selection });
  const lines = curve({ label: "Weight of a word, and what erasing it costs", xLabel: "word", yLabel: "weight; loss of the class", xAxis: "step", seriesAxis: "series", names: ["weight", "loss when erased"], top: 1, ticks: 2, selection });
  const legend = h("p", { class: "at-small" }, line("0", ""), " weight  ", line("1", "7 4"), " what the class loses when the word is erased");
  const facts = h("p", { class: "at-say" });
  const word = h("p", { class: "at-small" });
  const heat = heatMatrix({ label: "States of the LSTM: a row per channel, a column per word", rowAxis: "channel", colAxis: "step", selection, verb: "at", sums: false });
  const todo = goals(tasks(data));
  const live = h("div", { class: "at-live" }, strip.el, h("div", { class: "at-buttons" }, erase, swap, shuffle, own),
    h("div", { class: "at-duo" },
      h("section", { class: "at-step", "aria-label": "Weight and worth" }, lines.el, legend, facts),
      h("section", { class: "at-step", "aria-label": "Class" }, bars.el, word)),
    h("details", { class: "at-more" }, h("summary", {}, "States of the LSTM"), heat.el,
      h("p", { class: "at-small" }, "The channels that the output listens to most. Light is −1, dark is 1.")));
  root.append(h("div", { class: "at at-w5" },
    h("div", { class: "at-controls at-ask" }, field, next, pick.el),
    words(data, (name) => { move = null; rewrite(`${now.text} ${name}`.trim(), 0); }), notice, live, todo.el));

  const at = () => Math.min(selection.value.step ?? 0, shown.input.words.length - 1);
  function line(series, dash) {
    const mark = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    mark.innerHTML = `<path d="M0 5H26" class="at-series" data-series="${series}" stroke-dasharray="${dash}"/>`;
    for (const [name, value] of [["width", 26], ["height", 10], ["aria-hidden", "true"], ["class", "at-key-line"]]) mark.setAttribute(name, value);
    return mark;
  }
  function eraseStep(step) {
    const { input, used } = shown;
    if (input.words.length < 2) { text(notice, "One word has to stay: nothing at all has no class."); return; }
    move = { word: input.words[step], top: step === argmax(used.weights), flipped: used.flips[step], pooling: now.pooling };
    rewrite(input.words.filter((_, i) => i !== step).join(" "), Math.max(0, step - 1));
  }
  function swapSteps(from, to) {
    const list = [...shown.input.words];
    if (to < 0 || to >= list.length) return;
    [list[from], list[to]] = [list[to], list[from]];
    move = null;
    rewrite(list.join(" "), to);
  }
  strip.el.addEventListener("keydown", (event) => {
    if (!shown) return;
    const step = at();
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") eraseStep(step);
    else if (event.shiftKey && way) swapSteps(step, step + way);
    else return;
    event.preventDefault();
    event.stopPropagation();
    strip.el.querySelector('[tabindex="0"]')?.focus();
  });

  function refresh() {
    const input = read(now.text, data);
    if (field.value !== now.text) field.value = now.text;
    pick.set(now.pooling);
    if (!input.ids.length) {
      live.hidden = true;
      shown = null;
      text(notice, "Type at least one word: an empty text has no class.");
      report({ words: [], weights: [], drops: [] }, notice.textContent);
      return;
    }
    live.hidden = false;
    const before = shown?.used.best;
    const used = forward(models[now.pooling], input.ids, data, now.shuffle);
    const free = now.shuffle ? forward(models[now.pooling], input.ids, data) : used;
    shown = { input, used, free, before };
    const unknown = [...new Set(input.words.filter((_, i) => input.unknown[i]))];
    text(notice, [unknown.length ? `Not in the vocabulary, read as unknown: ${unknown.join(" ")}. The models never saw an unknown word; do not trust them here.` : "",
      input.cut ? `Only the first ${data.max_steps} words are read; ${input.cut} left out.` : ""].filter(Boolean).join(" "));
    draw();
  }
  function draw() {
    const { input, used, free } = shown;
    const names = input.words.map((name, i) => `${i + 1} ${name}`);
    strip.update({ tokens: input.words, weights: used.weights, notes: input.words.map((_, i) => [input.unknown[i] ? "unknown" : "", used.flips[i] ? "flips the class when erased" : ""].filter(Boolean).join(", ")) });
    const flat = (values) => ({ mean: values.map((value) => Math.max(0, value)) });
    lines.update({ x: names, series: [flat(used.weights), flat(used.drops)] });
    inward(lines.el);
    bars.update({ names: data.classes, values: used.odds, marks: used.odds.map((_, i) => i === used.best), baseline: now.shuffle ? free.odds : null });
    const channels = data.channels[now.pooling];
    heat.update({ rows: channels.map((c) => `h${c + 1}`), cols: names, values: channels.map((c) => used.states.map((row) => (1 + row[c]) / 2)) });
    const top = argmax(used.weights);
    const told = { mean: "Every word has the same weight.", last: "All weight is on the last state." }[now.pooling];
    const lead = told ?? `Largest weight: ${input.words[top]} (${num(used.weights[top])}). Erasing it ${used.flips[top] ? "turns" : "does not turn"} the class.`;
    const link = used.rank === null ? "" : ` Rank correlation of weight and loss: ${num(used.rank)}.`;
    text(facts, lead + link);
    shuffle.disabled = now.pooling === "max" || input.words.length < 2;
    own.disabled = !now.shuffle;
    if (selection.value.step !== now.step || now.step >= names.length) selection.pick({ step: Math.min(now.step, names.length - 1) });
    choose(true);
  }
  function choose(speak) {
    if (!shown) return;
    const { input, used, free } = shown;
    const step = at();
    text(word, `${input.words[step]}: weight ${num(used.weights[step])}, loss when erased ${num(used.drops[step])}.${now.shuffle ? " The weights are shuffled; the ticks in the bars are the model’s own answer." : ""}`);
    erase.disabled = input.words.length < 2;
    swap.disabled = step >= input.words.length - 1;
    todo.update({ ...shown, move, now });
    const six = (list) => list.map((x) => Math.round(1e6 * x) / 1e6);
    report({ words: input.words, ids: input.ids, logits: six(used.logits), odds: six(used.odds), weights: six(used.weights), drops: six(used.drops), states: used.states.map(six),
      rank: used.rank, own: six(free.odds), step, pooling: now.pooling, goals: todo.done },
    speak ? `${data.classes[used.best]}, ${percent(used.odds[used.best])}. ${facts.textContent}` : undefined);
  }
  selection.on(({ step }) => {
    if (shown && step !== now.step) { now = { ...now, step }; update({ step }); }
    choose(false);
  });
  refresh();
  return {
    set: (next_) => {
      const held = strip.el.contains(strip.el.getRootNode().activeElement);
      now = next_;
      move = null;
      refresh();
      if (held) strip.el.querySelector('[tabindex="0"]')?.focus();
    },
    tables: () => (shown ? [lines.table(), bars.table(), heat.table()] : []),
    destroy() {},
  };
}

/** The first and the last word under the curve stay inside the drawing. */
function inward(el) {
  const words = el.querySelector(".at-ticks").children; // the first group is x
  if (words.length < 2) return;
  words[0].setAttribute("text-anchor", "start");
  words[words.length - 1].setAttribute("text-anchor", "end");
}

/** What to reach by playing with the models. */
function tasks(data) {
  return [
    { title: "With attention, erase the word that has the largest weight, so that the class stays.",
      check: ({ move }) => {
        const mine = move?.top && move.pooling === "attention";
        return { done: Boolean(mine && !move.flipped), say: mine ? `Without ${move.word} the class ${move.flipped ? "turns: try another text" : "stays"}.` : "" };
      } },
    { title: "Erase one word and turn the class.",
      check: ({ move }) => ({ done: Boolean(move?.flipped), say: move?.flipped ? `Without ${move.word} the class turns.` : "" }) },
    { title: "Shuffle the weights of attention until the class changes.",
      check: ({ used, free, now }) => {
        const tried = now.shuffle > 0 && now.pooling === "attention";
        return { done: tried && used.best !== free.best, say: tried ? `Now ${data.classes[used.best]}, with its own weights ${data.classes[free.best]}.` : "" };
      } },
  ];
}

/** The words that the models know, to tap. */
function words(data, onpick) {
  const known = data.symbols.slice(data.unk + 1);
  const buttons = known.map((name) => h("button", { type: "button", class: "at-tap", onclick: () => onpick(name) }, name));
  const bar = h("div", { class: "at-palette", role: "toolbar", "aria-label": "Words that the models know" }, ...buttons);
  roving(bar, () => buttons, (i) => tabStop(buttons, i));
  tabStop(buttons, 0);
  return h("details", { class: "at-fold" }, h("summary", {}, `The ${known.length} words that the models know`), bar);
}
