// W8: position lab. What attention knows of the order of words: nothing, until positions
// are added to the words, turned into queries and keys, or taken off the scores.

import { h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { aggregate, dot, softmax } from "../core/maths.js";
import { step, switcher } from "../core/controls.js";
import { createSelection } from "../core/selection.js";
import { curve } from "../views/curve.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { tokenStrip } from "../views/token_strip.js";
import { goals, predict } from "../services/gate.js";

export const keys = [
  ["← →", "another word; in the curves: another distance"],
  ["Shift + ← →", "move the word"],
  ["s", "shuffle"],
  ["Home End", "first, last"],
];

const SHUFFLES = [[4, 2, 0, 5, 1, 3], [5, 4, 3, 2, 1, 0], [1, 0, 3, 2, 5, 4], [2, 5, 1, 4, 0, 3]];
const angle = (place, i, d) => place * 10000 ** ((-2 * i) / d);

/** The wave of a place: sines and cosines in turn. */
export const wave = (place, d) => Array.from({ length: d }, (_, k) => (k % 2 ? Math.cos : Math.sin)(angle(place, Math.floor(k / 2), d)));

/** A vector whose pairs (i, i + d/2) are turned by the angles of a place. */
export function turned(vector, place) {
  const half = vector.length / 2;
  const out = new Array(vector.length);
  for (let i = 0; i < half; i += 1) {
    const [a, x, y] = [angle(place, i, vector.length), vector[i], vector[i + half]];
    out[i] = x * Math.cos(a) - y * Math.sin(a);
    out[i + half] = x * Math.sin(a) + y * Math.cos(a);
  }
  return out;
}

const plus = (a, b) => a.map((x, i) => x + b[i]);
const times = (matrix, vector) => matrix.map((row) => dot(row, vector));

/** What a scheme does: to a word, to a query or key, to a score. */
export function scheme(name, data) {
  const same = (x) => x;
  return {
    word: { sinusoidal: (x, place) => plus(x, wave(place, x.length)), learned: (x, place) => plus(x, data.table[place]) }[name] ?? same,
    vector: name === "rotary" ? turned : same,
    score: name === "alibi" ? (e, away) => e - data.slope * Math.abs(away) : same,
  };
}

/** Attention of the words at places 0, 1, …: weights and outputs, in this order. */
export function attention(order, name, data) {
  const { word, vector, score } = scheme(name, data);
  const x = order.map((i, place) => word(data.words[i], place));
  const root = Math.sqrt(data.words[0].length);
  const q = x.map((row, place) => vector(times(data.query, row), place));
  const k = x.map((row, place) => vector(times(data.key, row), place));
  const weights = q.map((a, i) => softmax(k.map((b, j) => score(dot(a, b) / root, j - i))));
  return { weights, outputs: weights.map((row) => aggregate(row, x)) };
}

/** Largest change of a word's output against the sentence as it was. */
export function changed(order, name, data) {
  const home = attention(order.map((_, i) => i).sort((a, b) => a - b), name, data).outputs;
  const now = attention(order, name, data).outputs;
  return Math.max(...order.flatMap((word, place) => now[place].map((x, i) => Math.abs(x - home[word][i]))));
}

/** Scores of one and the same word with itself at places 0 … length - 1. */
export function grid(name, data) {
  const { word, vector, score } = scheme(name, data);
  const root = Math.sqrt(data.words[0].length);
  const places = Array.from({ length: data.length }, (_, i) => i);
  const rows = places.map((place) => vector(word(data.words[0], place), place));
  return places.map((i) => places.map((j) => score(dot(rows[i], rows[j]) / root, j - i)));
}

/** Largest difference between scores of equal distance. */
export function diagonal(table) {
  let most = 0;
  for (let away = 0; away < table.length; away += 1) {
    const line = table.slice(0, table.length - away).map((row, i) => row[i + away]);
    most = Math.max(most, Math.max(...line) - Math.min(...line));
  }
  return most;
}

export function mount({ root, data, state, update, report }) {
  const { names, titles, says } = data;
  const length = data.length;
  const [early, late] = data.queries;
  const ticks = Array.from({ length }, (_, i) => ((i + 1) % 12 ? "" : `${i + 1}`));
  const offsets = Array.from({ length: 2 * data.reach + 1 }, (_, i) => i - data.reach);
  let now = state;
  const selection = createSelection({ word: 0, other: 0 });
  const far = createSelection({ offset: data.reach, query: 0, row: early, col: early });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); draw(); };
  const choose = switcher({ label: "Positions", options: names.map((name, i) => [name, titles[i]]), onpick: (encoding) => change({ encoding }) });
  const strip = tokenStrip({ label: "The sentence", axis: "word", selection });
  const button = (label, onclick) => h("button", { type: "button", class: "at-button", onclick }, label);
  const left = button("◂ Move", () => move(-1));
  const right = button("Move ▸", () => move(1));
  const mix = button("Shuffle", () => shuffle());
  const home = button("As it was", () => change({ order: data.home }));
  const matrix = heatMatrix({ label: "Attention weights of the sentence", rowAxis: "word", colAxis: "other", selection });
  const facts = h("p", {});
  const what = h("p", { class: "at-small" });
  const table = heatMatrix({ label: "Score of a word with itself, at every two places; darker is more", rowAxis: "row", colAxis: "col", selection: far, verb: "with", sums: false });
  const lines = curve({ label: "The same scores against the distance", xLabel: "place of the key − place of the query", yLabel: "score, least = 0, most = 1", xAxis: "offset", seriesAxis: "query", names: [`query at place ${early + 1}`, `query at place ${late + 1}`], top: 1, ticks: 2, selection: far });
  const note = h("p", { class: "at-small" });
  const gate = predict({
    question: `With rotary positions, “${data.labels[0]}” at place 3 asks “${data.labels[1]}” at place 7, and the score is ${num(pair(2, 6), 2)}. Both are moved on by 20 places. What is the score then?`,
    saved: { guess: state.guess, revealed: state.revealed },
    answer: () => ({ value: pair(22, 26), tolerance: 0.011, digits: 2, explain: "Query and key are turned by 20 more steps each; only the difference of their angles counts." }),
    save: (patch) => { now = { ...now, ...patch }; update(patch); } });
  const todo = goals(tasks(state.order.join()));
  const box = h("div", { class: "at at-w8" },
    choose.el, what, strip.el,
    h("div", { class: "at-buttons" }, left, right, mix, home),
    h("div", { class: "at-duo at-even" },
      step("", "Who reads whom", "row: word, column: word it reads", matrix.el, facts),
      step("", "Place against place", `one word with itself, at any two of ${length} places`, h("div", { class: "at-square" }, table.el)),
      step("", "Along a row", "the same scores, by distance", lines.el),
      step("", "Place or distance?", "", note, h("details", { class: "at-more" }, h("summary", {}, "Predict: both move on"), gate.el))),
    todo.el);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=text], summary")) return;
    if (event.key === "s") shuffle();
    else if (event.shiftKey && ["ArrowLeft", "ArrowRight"].includes(event.key) && !event.target.closest("input")) move(event.key === "ArrowLeft" ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
  root.append(box);

  /** Score of two words at two places, with rotary positions. */
  function pair(i, j) {
    const ask = turned(times(data.query, data.words[0]), i);
    return dot(ask, turned(times(data.key, data.words[1]), j)) / Math.sqrt(ask.length);
  }
  function move(by) {
    const at = selection.value.word;
    const to = at + by;
    if (to < 0 || to >= now.order.length) return;
    const order = [...now.order];
    [order[at], order[to]] = [order[to], order[at]];
    now = { ...now, order };
    update({ order });
    selection.pick({ word: to });
    draw();
  }
  function shuffle() {
    const at = SHUFFLES.findIndex((order) => order.join() === now.order.join());
    change({ order: SHUFFLES[(at + 1) % SHUFFLES.length] });
  }
  /** Place against place, for the scheme as it is; returns how scores of one distance differ. */
  function drawPlaces() {
    const scores = grid(now.encoding, data);
    const differ = diagonal(scores);
    const flat = scores.flat();
    const [least, most] = [Math.min(...flat), Math.max(...flat)];
    const scaled = (e) => (most - least > 1e-9 ? (e - least) / (most - least) : 0.5);
    table.update({ rows: scores.map((_, i) => `place ${i + 1}`), cols: scores.map((_, i) => `place ${i + 1}`), heads: ticks, sides: ticks, values: scores.map((row) => row.map(scaled)) });
    lines.update({ x: offsets.map((away) => (away % 4 ? "" : `${away}`.replace("-", "−"))), series: [early, late].map((p) => ({ mean: offsets.map((away) => scaled(scores[p][p + away])) })) });
    const legend = `Solid: a query at place ${early + 1}. Dashed: at place ${late + 1}. `;
    text(note, legend + (differ < 1e-9 ? "Scores at the same distance are the same everywhere: the two lines are one." : `Scores at the same distance differ by up to ${num(differ, 2)}: the place itself counts.`));
    return differ;
  }
  function ends() {
    left.disabled = selection.value.word === 0;
    right.disabled = selection.value.word === now.order.length - 1;
  }
  function draw(speak = true) {
    choose.set(now.encoding);
    const found = attention(now.order, now.encoding, data);
    const shift = changed(now.order, now.encoding, data);
    const labels = now.order.map((i) => data.labels[i]);
    const spread = drawPlaces();
    text(what, says[names.indexOf(now.encoding)]);
    strip.update({ tokens: labels, notes: now.order.map((i, place) => (i === place ? "" : "moved")) });
    matrix.update({ rows: labels, cols: labels, values: found.weights });
    const moved = now.order.some((i, place) => i !== place);
    const told = !moved ? "The words stand as they were. Shuffle them."
      : shift < 1e-9 ? "The words are in another order, and every word gets exactly the output that it had: 0 changed." : `The words are in another order, and their outputs change by up to ${num(shift, 3)}.`;
    text(facts, told);
    ends();
    todo.update({ now, moved, shift, spread });
    report({ weights: found.weights, outputs: found.outputs, changed: shift, diagonal: spread, order: now.order, encoding: now.encoding, goals: todo.done }, speak ? told : undefined);
  }
  selection.on(ends);
  draw();
  return {
    set: (next) => { now = next; gate.update({ guess: now.guess, revealed: now.revealed }); draw(); },
    tables: () => [matrix.table(), lines.table()],
    destroy() {},
  };
}

/** What to reach by playing. */
function tasks(first) {
  const found = new Set();
  return [
    { title: "Shuffle the words again and see that again no output changes.",
      check: ({ now, moved, shift }) => ({ done: moved && shift < 1e-9 && now.order.join() !== first, say: "" }) },
    { title: "Now make a shuffle change an output by more than 0.2.",
      check: ({ moved, shift }) => ({ done: moved && shift > 0.2, say: moved && shift > 0.2 ? `${num(shift, 2)} now.` : "" }) },
    { title: "Find both kinds of positions for which it matters where a pair stands, and not only how far apart.",
      check: ({ spread, now }) => {
        if (spread > 1e-6) found.add(now.encoding);
        return { done: found.size > 1, say: found.size ? `Found: ${found.size} of 2.` : "" };
      } },
  ];
}
