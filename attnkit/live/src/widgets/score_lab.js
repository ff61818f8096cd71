// W2: score lab. Five scores on the same query and keys; what the width d does to them,
// and why the dot product is divided by its square root.

import { h, text } from "../core/dom.js";
import { num, percent } from "../core/format.js";
import { entropy, jacobianNorm, softmax, unpackArray } from "../core/maths.js";
import { slider } from "../core/controls.js";
import { createSelection } from "../core/selection.js";
import { barRow } from "../views/bar_row.js";
import { curve } from "../views/curve.js";
import { rich } from "../services/equation.js";
import { goals, predict } from "../services/gate.js";

export const keys = [
  ["← →", "in a curve: another width d; in bars: another key"],
  ["Home End", "first, last"],
];

/** The drawn scores as [score][width][seed][key]. */
export function unpack(data) {
  const flat = unpackArray(data.scores);
  const [, D, S, N] = data.shape;
  const cut = (start, sizes) => (sizes.length === 1 ? flat.slice(start, start + sizes[0])
    : Array.from({ length: sizes[0] }, (_, i) => cut(start + i * sizes.slice(1).reduce((a, b) => a * b, 1), sizes.slice(1))));
  return cut(0, [data.shape[0], D, S, N]);
}

const average = (list) => list.reduce((a, b) => a + b, 0) / list.length;
const spread = (list) => Math.sqrt(average(list.map((x) => (x - average(list)) ** 2)));

/** Numbers of one width: scores, weights, entropy, Jacobian norm, spread over all draws. */
export function forward(state, data, drawn = unpack(data)) {
  const d = data.dimensions.indexOf(state.dimension);
  const scores = drawn.map((rows) => rows[d][state.seed]);
  const weights = scores.map((row) => softmax(row.map((e) => e / state.temperature)));
  return {
    scores,
    weights,
    entropy: weights.map(entropy),
    jacobian: weights.map(jacobianNorm),
    spread: drawn.map((rows) => spread(rows[d].flat())),
    scaled_at_one: softmax(drawn[1][d][state.seed]),
  };
}

/** Mean, least and most over the draws, for every score and width. */
export function bands(temperature, drawn, measure) {
  return drawn.map((rows) => {
    const lists = rows.map((seeds) => seeds.map((row) => measure(softmax(row.map((e) => e / temperature)))));
    return { mean: lists.map(average), low: lists.map((x) => Math.min(...x)), high: lists.map((x) => Math.max(...x)) };
  });
}

export function mount({ root, data, state, update, report }) {
  const drawn = unpack(data);
  const { names, formulas, dimensions } = data;
  const keyNames = drawn[0][0][0].map((_, i) => `${i + 1}`);
  // Sixteen steps double the temperature, so every √d lies on a step.
  let now = state;
  let curvesAt = null;
  let entropies = [];
  let norms = [];
  const selection = createSelection({ score: state.score, dimension: dimensions.indexOf(state.dimension), key: 0 });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); draw(); };

  const width = slider({ label: "Width d", stops: dimensions, digits: 0, oninput: (dimension) => change({ dimension }) });
  const heat = slider({ label: "Temperature T", low: 2 ** -3.25, high: 2 ** 6.5, steps: 156, log: true, oninput: (temperature) => change({ temperature }) });
  const again = h("button", { type: "button", class: "at-button", onclick: () => change({ seed: (now.seed + 1) % data.shape[2] }) }, "Other numbers");
  const panels = names.map((name, i) => {
    const bars = barRow({ label: `${name}: weights`, axis: "key", selection, baselineName: "scaled dot at T = 1" });
    const head = h("button", { type: "button", class: "at-pick", "data-series": i, onclick: () => change({ score: i }) }, h("i", { class: "at-swatch" }), name);
    const formula = h("span", { class: "at-formula" });
    rich(formula, formulas[i]);
    const fact = h("span", { class: "at-small" });
    return { bars, head, fact, el: h("section", { class: "at-step at-compact", "aria-label": name }, head, formula, bars.el, fact) };
  });
  const shared = { xLabel: "width d", xAxis: "dimension", seriesAxis: "score", names, selection };
  const top = Math.log(keyNames.length);
  const sharp = curve({ ...shared, label: `Entropy of the weights, mean of ${data.shape[2]} draws`, yLabel: "nats; 0: one key takes all", top: Math.ceil(top * 2) / 2, ticks: 5 });
  const flow = curve({ ...shared, label: `Gradient that softmax lets through, mean of ${data.shape[2]} draws`, yLabel: "norm of its Jacobian", top: 0.6, ticks: 3 });
  const guess = predict({ question: `Entries of q and k have variance 1. What is the standard deviation of q · k at d = ${data.question}?`,
    saved: { guess: state.guess, revealed: state.revealed },
    answer: () => ({ value: Math.sqrt(data.question), tolerance: Math.sqrt(data.question) / 20, digits: 1,
      explain: `The sum has ${data.question} terms of variance 1, so its variance is ${data.question}. Measured over ${data.shape[2] * data.shape[3]} products here: ${num(spread(drawn[0][dimensions.indexOf(data.question)].flat()), 1)}.` }),
    save: (patch) => { now = { ...now, ...patch }; update(patch); } });
  const todo = goals([{
    title: "At a width of 16 or more, find the temperature at which the plain dot product gives exactly the weights of the scaled one at T = 1 (the ticks in its bars).",
    check: (arrays) => ({ done: now.dimension >= 16 && Math.abs(now.temperature / Math.sqrt(now.dimension) - 1) < 0.001,
      say: `Largest difference now ${num(Math.max(...arrays.weights[0].map((w, i) => Math.abs(w - arrays.scaled_at_one[i]))), 4)}.` }),
  }]);
  const tell = h("p", { class: "at-hidden" });
  root.append(h("div", { class: "at at-w2" },
    tell,
    h("div", { class: "at-controls" }, width.el, heat.el, again),
    h("p", { class: "at-small" }, "One query and eight keys; a smaller width takes the first of their numbers. The ticks in the first panel: the weights of the scaled dot product at T = 1. In the curves, lines are means and the band holds all draws of the score that you pick."),
    h("div", { class: "at-five" }, ...panels.map((panel) => panel.el)),
    h("div", { class: "at-duo at-even" }, sharp.el, flow.el),
    h("details", { class: "at-more" }, h("summary", {}, "Predict: how large do dot products get?"), guess.el), todo.el));

  function draw(speak = true) {
    const arrays = forward(now, data, drawn);
    width.set(now.dimension);
    heat.set(now.temperature);
    panels.forEach(({ bars, head, fact }, i) => {
      bars.update({ names: keyNames, values: arrays.weights[i], baseline: i ? null : arrays.scaled_at_one });
      text(fact, `scores ± ${num(arrays.spread[i], 1)} · top ${num(Math.max(...arrays.weights[i]))}`);
      head.setAttribute("aria-pressed", String(i === now.score));
    });
    if (curvesAt !== now.temperature) {
      curvesAt = now.temperature;
      entropies = bands(now.temperature, drawn, entropy);
      norms = bands(now.temperature, drawn, jacobianNorm);
      sharp.update({ x: dimensions, series: entropies });
      flow.update({ x: dimensions, series: norms });
    }
    selection.pick({ score: now.score, dimension: dimensions.indexOf(now.dimension) });
    todo.update(arrays);
    text(tell, `Now at width ${now.dimension} and temperature ${num(now.temperature)}, draw ${now.seed + 1}, the largest of ${keyNames.length} weights are: ${names.map((name, i) => `${name} ${num(Math.max(...arrays.weights[i]))}`).join(", ")}.`);
    const last = dimensions.indexOf(now.dimension);
    report({ ...arrays, mean_entropy: entropies.map((s) => s.mean[last]), mean_jacobian: norms.map((s) => s.mean[last]), goals: todo.done },
      speak ? `d = ${now.dimension}, T = ${num(now.temperature)}: ${names[now.score]} gives its top key ${percent(Math.max(...arrays.weights[now.score]))}, entropy ${num(arrays.entropy[now.score])}.` : undefined);
  }
  selection.on(({ dimension }) => {
    if (dimensions[dimension] !== now.dimension) change({ dimension: dimensions[dimension] });
  });
  draw();
  return {
    set: (next) => { now = next; guess.update({ guess: now.guess, revealed: now.revealed }); draw(); },
    tables: () => [...panels.map(({ bars }) => bars.table()), sharp.table(), flow.table()],
    destroy() {},
  };
}
