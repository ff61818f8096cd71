// W1: soft addressing. A query picks values by how well their keys match: score,
// normalize, aggregate, from left to right, each step under the reader's hand.

import { h } from "../core/dom.js";
import { num, percent, vec } from "../core/format.js";
import { aggregate, argmax, dot, entropy, hard, hull, insideHull, norm, softmax } from "../core/maths.js";
import { createSelection } from "../core/selection.js";
import { barRow } from "../views/bar_row.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { glyph, vectorPlane } from "../views/vector_plane.js";
import { slider, step, switcher } from "../core/controls.js";
import { equation } from "../services/equation.js";
import { goals } from "../services/gate.js";

export const keys = [
  ["← → ↑ ↓", "move the active vector (Shift: larger steps)"],
  ["[ ]", "turn it by 5°"],
  ["+ −", "scale it by a tenth"],
  ["PgUp PgDn", "take another vector of the plane"],
  ["Enter, Esc", "hold the selected item, let it go"],
];

/**
 * Everything the widget shows, from its state alone.
 * @returns scores q·k, weights, output, and the weights of two ways to sharpen
 */
export function forward(state) {
  const { query, keys: rows, values, temperature } = state;
  const scores = rows.map((key) => dot(query, key));
  const soft = softmax(scores.map((score) => score / temperature));
  const weights = state.hard ? hard(scores) : soft;
  return {
    scores,
    weights,
    output: aggregate(weights, values),
    entropy: entropy(weights),
    weights_double_query: softmax(scores.map((score) => (2 * score) / temperature)),
    weights_half_temperature: softmax(scores.map((score) => score / (temperature / 2))),
  };
}

/** The three things to reach; each looks at state and arrays only. */
export function tasks(names) {
  const far = (state, i) => norm([0, 1].map((axis) => state.query[axis] - state.keys[i][axis]));
  return [
    {
      title: `Share it: place the query so that ${names[0]} and ${names[1]} get 0.50 each and every other film 0.00 (within 0.02).`,
      check: ({ weights }) => ({
        done: weights.every((w, i) => Math.abs(w - (i < 2 ? 0.5 : 0)) <= 0.02),
        say: `Now ${weights.map((w) => num(w)).join(" / ")}.`,
      }),
    },
    {
      title: `Matching is not nearness: find a query that retrieves ${names[2]} (its weight the largest) although the key of ${names[0]} is nearer.`,
      check: ({ state, weights }) => ({
        done: argmax(weights) === 2 && weights[2] > weights[0] && far(state, 0) < far(state, 2),
        say: `Largest weight: ${names[argmax(weights)]}. Distance to ${names[0]} ${num(far(state, 0))}, to ${names[2]} ${num(far(state, 2))}.`,
      }),
    },
    {
      title: "From soft to hard: leave the switch on soft and cool the temperature until one film gets at least 0.99.",
      check: ({ state, weights }) => ({
        done: !state.hard && Math.max(...weights) >= 0.99,
        say: `Largest weight ${num(Math.max(...weights))} at T = ${num(state.temperature)}.`,
      }),
    },
  ];
}

export function mount({ root, data, state, update, report }) {
  let now = state;
  const { names } = data;
  const short = names.map((_, i) => i + 1);
  const selection = createSelection({ item: argmax(forward(state).weights) });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); draw(); };
  const moved = (id, place) => {
    const [kind, index] = id.split(":");
    if (kind === "query") change({ query: place });
    else change({ [kind]: now[kind].map((row, i) => (i === Number(index) ? place : row)) });
  };
  const item = (kind, plural, arrow) => (name, i) => ({ id: `${plural}:${i}`, kind, name, index: i, arrow, spoken: `${kind} ${i + 1}, ${name}` });
  const match = vectorPlane({
    label: "Query and keys", range: data.range, axes: data.key_axes, selection, axis: "item", onMove: moved,
    items: [{ id: "query", kind: "query", name: data.query_name, index: null, arrow: true, spoken: `query, ${data.query_name}` },
      ...names.map(item("key", "keys", true))],
  });
  const mix = vectorPlane({
    label: "Values and output", range: data.range, axes: data.value_axes, selection, axis: "item", onMove: moved,
    items: [...names.map(item("value", "values", false)),
      { id: "output", kind: "output", name: data.output_name, index: null, arrow: false, fixed: true, below: true, spoken: `output, ${data.output_name}` }],
  });
  const bars = barRow({ label: "Weights", axis: "item", selection, stacked: true });
  const row = heatMatrix({ label: "The same weights as one row of an attention matrix", rowAxis: "query", colAxis: "item", selection, showValues: true });
  const terms = equation({ label: "The three steps in numbers", selection });
  const heat = slider({ label: "Temperature T", low: 0.05, high: 10, log: true, oninput: (temperature) => change({ temperature }) });
  const mode = switcher({ label: "Addressing", options: [["soft", "Soft"], ["hard", "Hard"]], onpick: (name) => change({ hard: name === "hard" }) });
  const sharpen = sharpening(change, () => now);
  const todo = data.goals ? goals(tasks(names)) : null;

  root.append(h("div", { class: "at at-w1" },
    h("div", { class: "at-steps" },
      step(1, "Score", "query · key", match.el, legend("query", "your query, ", "key", "the keys. Drag any of them. Dashed: the chosen key’s shadow on the query’s line; score = shadow × length of the query.")),
      step(2, "Normalize", "softmax", h("div", { class: "at-controls" }, mode.el, heat.el), bars.el, row.el),
      step(3, "Aggregate", "weights × values", mix.el, legend("value", "the values, ", "output", "the weighted sum. It never leaves the tinted hull: weights are positive and sum to 1."))),
    terms.el, sharpen.el, todo?.el));

  function draw(speak = true) {
    const arrays = forward(now);
    const { query, values, keys: rows } = now;
    const length = norm(query);
    const i = selection.value.item;
    const along = length ? query.map((x) => x / length) : [1, 0];
    const reach = dot(rows[i], along);
    match.update({
      at: { query, ...Object.fromEntries(rows.map((key, k) => [`keys:${k}`, key])) },
      weight: Object.fromEntries(rows.map((_, k) => [`keys:${k}`, arrays.weights[k]])),
      shadow: length > 0.05 ? { from: rows[i], foot: along.map((x) => x * reach), along } : null,
    });
    mix.update({
      at: { output: arrays.output, ...Object.fromEntries(values.map((value, k) => [`values:${k}`, value])) },
      weight: Object.fromEntries(values.map((_, k) => [`values:${k}`, arrays.weights[k]])),
      hull: hull(values),
      spokes: values.map((value, k) => ({ from: value, to: arrays.output, weight: arrays.weights[k] })),
    });
    bars.update({ names, values: arrays.weights });
    row.update({ rows: ["q"], cols: short, values: [arrays.weights] });
    heat.set(now.temperature);
    mode.set(now.hard ? "hard" : "soft");
    terms.update(lines(now, arrays, i));
    sharpen.update(now, arrays, data.range);
    todo?.update({ state: now, ...arrays });
    const order = [...names.keys()].sort((a, b) => arrays.weights[b] - arrays.weights[a]).slice(0, 2);
    report({ ...arrays, inside_hull: insideHull(arrays.output, values), goals: todo?.done ?? [], item: i },
      speak ? `${order.map((k) => `${names[k]} ${percent(arrays.weights[k])}`).join(", ")}; output ${vec(arrays.output)}.` : undefined);
  }
  selection.on(() => draw());
  draw();
  return {
    set: (next) => { now = next; draw(); },
    tables: () => [bars.table(), match.table(), mix.table(), sharpen.table()],
    destroy() {},
  };
}

/** Marks with their words, below a plane. */
const legend = (a, wordsA, b, wordsB) => h("p", { class: "at-small" }, glyph(a), ` ${wordsA}`, glyph(b), ` ${wordsB}`);

/** The equation of the selected item, each number a link to its mark. */
function lines(state, { scores, weights, output }, i) {
  const q = state.query;
  const k = state.keys[i];
  const pick = { item: i };
  const n = i + 1;
  const powers = softmax(scores.map((score) => score / state.temperature));
  return [
    { name: "score", parts: [`*q* · *k*_${n}_ = ${num(q[0])} × ${num(k[0])} + ${num(q[1])} × ${num(k[1])} = `, { text: num(scores[i]), pick, kind: "key" }] },
    { name: "weight", parts: state.hard
      ? [`*a*_${n}_ = `, { text: num(weights[i]), pick, kind: "weight" }, weights[i] ? " (the largest score takes all)" : " (not the largest score)"]
      : [`*a*_${n}_ = exp(${num(scores[i])} / ${num(state.temperature)}) / Σ_j_ exp(*q* · *k*_j_ / *T*) = `, { text: num(powers[i]), pick, kind: "weight" }] },
    { name: "output", parts: [...weights.flatMap((w, j) => [j ? " + " : "", { text: `${num(w)} *v*_${j + 1}_`, pick: { item: j }, kind: "value" }]),
      ` = ${vec(output)}`] },
  ];
}

/** Doubling the query and halving the temperature, side by side. */
function sharpening(change, state) {
  let rows = [];
  const label = "2q or T ÷ 2: two ways to sharpen, the same weights";
  const body = h("tbody");
  const double = h("button", { type: "button", class: "at-button", onclick: () => change({ query: state().query.map((x) => 2 * x) }) }, "Do it: 2q");
  const half = h("button", { type: "button", class: "at-button", onclick: () => change({ temperature: state().temperature / 2 }) }, "Do it: T / 2");
  const words = h("p", { class: "at-small" });
  const el = h("details", { class: "at-more" }, h("summary", {}, label),
    h("div", { class: "at-sharpen" }, h("div", { class: "at-wide-ok" }, h("table", { class: "at-plain" }, body)), h("div", { class: "at-buttons" }, double, half)), words);
  const cells = (count) => Array.from({ length: count }, () => h("td"));
  return {
    el,
    update(now, arrays, range) {
      rows = [["now", ...arrays.weights], ["2q", ...arrays.weights_double_query], ["T ÷ 2", ...arrays.weights_half_temperature]];
      if (body.children.length !== 3) body.replaceChildren(...rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row[0]), ...cells(row.length - 1))));
      rows.forEach((row, r) => row.slice(1).forEach((w, c) => { body.children[r].children[c + 1].textContent = num(w, 3); }));
      double.disabled = now.query.some((x) => Math.abs(2 * x) > range);
      half.disabled = now.temperature / 2 < 0.05;
      const gap = Math.max(...arrays.weights_double_query.map((w, i) => Math.abs(w - arrays.weights_half_temperature[i])));
      words.textContent = `Largest difference between the last two rows: ${num(gap, 6)}. Softmax sees only q · k / T, so 2q · k / T = q · k / (T / 2).`;
    },
    table: () => ({ caption: label, columns: ["setting", ...rows[0].slice(1).map((_, i) => `a${i + 1}`)], rows }),
  };
}
