// W10: segment memory. A text read in segments; how far back an output sees, layer by
// layer, with the states of earlier segments at hand or without.

import { h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { slider, step } from "../core/controls.js";
import { createSelection } from "../core/selection.js";
import { curve } from "../views/curve.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { goals, predict } from "../services/gate.js";

export const keys = [
  ["← →", "in the picture: another symbol; on a slider: less, more"],
  ["↑ ↓", "in the picture: another layer"],
  ["Home End", "first, last (with Ctrl: of the picture)"],
];

const CACHED = 0.4;

/** Which states output `target` depends on: rows are layers from the symbols up; 1 = read
 * in its own segment, 0.4 = only through the memory (no gradient goes there), 0 = not. */
export function seen({ segment, memory, layers, target }, length) {
  const rows = [Array.from({ length }, (_, j) => Number(j === target))];
  for (let layer = layers; layer > 0; layer -= 1) {
    const below = new Array(length).fill(0);
    rows[0].forEach((value, i) => {
      if (!value) return;
      const start = i - (i % segment);
      for (let j = Math.max(0, start - memory); j <= i; j += 1) {
        below[j] = Math.max(below[j], j < start ? CACHED : value);
      }
    });
    rows.unshift(below);
  }
  return rows;
}

/** How many symbols before its segment the first symbol of a late segment sees. */
export function reachOf({ segment, memory, layers }) {
  let back = 0; // a layer looks from the earliest symbol so far to its segment's start, and on
  for (let layer = 0; layer < layers && memory; layer += 1) back = segment * Math.ceil(back / segment) + memory;
  return back;
}

/** Pairs of query and key that are scored for each symbol, on average. */
export const pairs = ({ segment, memory, layers }) => layers * (memory + (segment + 1) / 2);

/** The same sight without a memory: everything that is seen is read anew each time. */
export const anew = ({ layers }, reach) => (layers * (reach + 1) * (reach + 2)) / 2;

/** Least pairs per symbol with which `target` sees `source`, over all settings. */
export function cheapest(limits, target, source, length) {
  let best = Infinity;
  for (let segment = limits.segment[0]; segment <= limits.segment[1]; segment += 1) {
    for (let memory = limits.memory[0]; memory <= limits.memory[1]; memory += 1) {
      for (let layers = limits.layers[0]; layers <= limits.layers[1]; layers += 1) {
        const state = { segment, memory, layers, target };
        const cost = pairs(state);
        if (cost < best && seen(state, length)[0][source]) best = cost;
      }
    }
  }
  return best;
}

export function mount({ root, data, state, update, report }) {
  const { length, limits, goal } = data;
  const columns = Array.from({ length }, (_, i) => `${i + 1}`);
  const heads = columns.map((name, i) => ((i + 1) % 5 ? "" : name));
  const least = cheapest(limits, length - 1, goal, length);
  let now = state;
  const selection = createSelection({ state: 0, symbol: state.target });
  const lines = createSelection({ memory: state.memory, depth: state.layers - 1 });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); draw(); };
  const whole = (name, label, low, high) => slider({ label, low, high, steps: high - low, digits: 0, oninput: (value) => change({ [name]: Math.round(value) }) });

  const controls = {
    segment: whole("segment", "Segment", ...limits.segment),
    memory: whole("memory", "Memory", ...limits.memory),
    layers: whole("layers", "Layers", ...limits.layers),
    target: slider({ label: "Output at symbol", low: 1, high: length, steps: length - 1, digits: 0, oninput: (value) => change({ target: Math.round(value) - 1 }) }),
  };
  const field = heatMatrix({ label: "What the output depends on: rows are layers, columns are places of the text", rowAxis: "state", colAxis: "symbol", selection, verb: "at symbol", sums: false });
  const facts = h("p", {});
  const cost = h("p", { class: "at-small" });
  const memories = Array.from({ length: limits.memory[1] + 1 }, (_, m) => m);
  const depths = Array.from({ length: limits.layers[1] }, (_, i) => i + 1);
  const reach = curve({ label: "How far the first symbol of a segment sees", xLabel: "memory", yLabel: "symbols before its segment", xAxis: "memory", seriesAxis: "depth", names: depths.map((n) => `${n} layer${n > 1 ? "s" : ""}`), top: reachOf({ segment: limits.segment[1], memory: limits.memory[1], layers: limits.layers[1] }), ticks: 4, words: (value) => num(value, 0), selection: lines });
  const legend = depths.map((n, i) => h("button", { type: "button", class: "at-pick", "data-series": i, onclick: () => change({ layers: n }) }, h("i", { class: "at-swatch" }), `${n} layer${n > 1 ? "s" : ""}`));
  const gate = predict({
    question: "Segments of 4, a memory of 6, two layers. How many symbols before its segment does the first symbol of a late segment reach?",
    saved: { guess: state.guess, revealed: state.revealed },
    answer: () => ({ value: reachOf({ segment: 4, memory: 6, layers: 2 }), tolerance: 0.1, digits: 0, explain: "Not 2 × 6: a layer looks back 6, into the midst of a segment that begins 8 back. What stands there has looked back 6 from the start of its segment: 8 + 6." }),
    save: (patch) => { now = { ...now, ...patch }; update(patch); } });
  const todo = goals(tasks(length, goal, least));
  root.append(h("div", { class: "at at-w10" },
    h("div", { class: "at-controls" }, ...Object.values(controls).map(({ el }) => el)),
    step("", "What it sees", "top: the output; bottom: the text. Full: read in its own segment. Pale: remembered, no gradient goes there", field.el),
    h("div", { class: "at-duo at-even" },
      h("section", { class: "at-step", "aria-label": "In numbers" }, h("div", { class: "at-head" }, h("b", {}, "In numbers")), facts, cost),
      h("section", { class: "at-step", "aria-label": "Reach" }, h("div", { class: "at-buttons" }, ...legend), reach.el)),
    h("details", { class: "at-more" }, h("summary", {}, "Predict: how far back?"), gate.el), todo.el));

  function draw(speak = true) {
    Object.entries(controls).forEach(([name, { set }]) => set(now[name] + (name === "target" ? 1 : 0)));
    const rows = seen(now, length);
    const first = rows[0].findIndex((value) => value > 0);
    const back = now.target - first;
    const names = rows.map((_, l) => (l === now.layers ? "output" : l ? `layer ${l}` : "symbols"));
    field.update({ rows: names.toReversed(), cols: columns, heads, values: rows.toReversed() });
    const start = now.target - (now.target % now.segment);
    const told = back ? `The output at symbol ${now.target + 1} sees back to symbol ${first + 1}: ${back} symbols.` : `The output at symbol ${now.target + 1} sees nothing but its own symbol.`;
    const outside = start - first;
    text(facts, outside > 0 ? `Its segment begins at symbol ${start + 1}; ${outside} of the symbols that it sees lie before, ${now.layers} layer${now.layers > 1 ? "s" : ""} × memory ${now.memory} = ${now.layers * now.memory}${outside < now.layers * now.memory ? ", where the text goes so far back" : outside > now.layers * now.memory ? `, and ${outside - now.layers * now.memory} more, as the memory is no multiple of the segment` : ""}.`
      : now.memory ? "Nothing before its segment exists yet." : "Without a memory, nothing before its segment can be seen, however many layers there are.");
    const used = pairs(now);
    const again = anew(now, back);
    const scored = "Pairs of query and key scored for each symbol";
    text(cost, now.memory ? `${scored}: ${used} with the memory. To see as far without one, reading everything anew for each symbol: ${again}.` : `${scored}, on average over a segment: ${used}.`);
    reach.update({ x: memories, series: depths.map((layers) => ({ mean: memories.map((memory) => reachOf({ ...now, memory, layers })) })) });
    legend.forEach((head, i) => head.setAttribute("aria-pressed", String(i === now.layers - 1)));
    lines.pick({ memory: now.memory, depth: now.layers - 1 });
    todo.update({ rows, now, back, used });
    report({ seen: rows, first, back, pairs: used, anew: again, goals: todo.done }, speak ? told : undefined);
  }
  selection.on(({ symbol }) => { if (symbol !== now.target) change({ target: symbol }); });
  lines.on(({ memory, depth }) => {
    if (memory !== now.memory || depth + 1 !== now.layers) change({ memory, layers: depth + 1 });
  });
  draw();
  return {
    set: (next) => { now = next; selection.pick({ symbol: now.target }); gate.update({ guess: now.guess, revealed: now.revealed }); draw(); },
    tables: () => [field.table(), reach.table()],
    destroy() {},
  };
}

/** What to reach by playing. */
function tasks(length, goal, least) {
  return [
    { title: "Let an output see nothing but its own symbol.",
      check: ({ back, now }) => ({ done: back === 0 && now.target > 0, say: "" }) },
    { title: `Let the output at symbol ${length} see symbol ${goal + 1}, with as few scored pairs as you can.`,
      check: ({ rows, now, used }) => {
        const sees = now.target === length - 1 && rows[0][goal] > 0;
        return { done: sees && used === least, say: sees ? (used === least ? "This is the least." : `${used} pairs for each symbol; ${least} would do.`) : "" };
      } },
  ];
}
