// Alignment: which source position each output read, from arrays that Python gives.

import { h } from "../core/dom.js";
import { num } from "../core/format.js";
import { argmax, entropy } from "../core/maths.js";
import { alignmentBoard } from "../core/board.js";
import { createSelection } from "../core/selection.js";
import { equation } from "../services/equation.js";
import { scrubber } from "../services/scrubber.js";

export const keys = [
  ["← → ↑ ↓", "move in a strip or in the matrix"],
  ["Home End", "ends of the row (with Ctrl: of the matrix)"],
  ["PgUp PgDn", "ends of the column"],
  ["Enter, Esc", "hold the selection, let it go"],
];

/** Numbers of one board: sums, peaks, entropy, and how often the peak is true. */
export function forward({ weights, truth }) {
  const peaks = weights.map(argmax);
  const known = (truth ?? []).map((places, t) => [places, t]).filter(([places]) => places.length);
  const hits = known.filter(([places, t]) => places.includes(peaks[t])).length;
  return {
    row_sums: weights.map((row) => row.reduce((a, b) => a + b, 0)),
    peaks,
    entropy: weights.map(entropy),
    pointing: known.length ? hits / known.length : null,
  };
}

/** The equation of a step: the context as a sum over its largest weights. */
export function contextLines(source, output, weights, step, place) {
  const row = weights[step];
  const top = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3);
  const rest = 1 - top.reduce((sum, i) => sum + row[i], 0);
  return [
    { name: "weight", parts: [`*a*_${step + 1},${place + 1}_ (${output[step]} reads ${source[place]}) = `, { text: num(row[place], 3), pick: { source: place, output: step }, kind: "weight" }] },
    { name: "context", parts: [`*c*_${step + 1}_ = `, ...top.flatMap((i, n) => [n ? " + " : "", { text: `${num(row[i])} *h*_${source[i]}_`, pick: { source: i, output: step }, kind: "value" }]),
      ...(source.length > 3 ? [` + … (${num(Math.max(0, rest))} on the others)`] : [])] },
  ];
}

export function mount({ root, data, state, update, report }) {
  let now = state;
  const { source, target, weights, truth } = data;
  const selection = createSelection({ output: state.step, source: argmax(weights[state.step]) });
  const board = alignmentBoard({ selection, names: { source: "Source", output: "Output", matrix: "Attention weights, one row per output" }, lang: data.lang });
  const scrub = scrubber({ label: "Output step", axis: "output", selection, say: (i) => `${i + 1}, ${target[i]}`, follow: board.follow });
  const terms = equation({ label: "One step in numbers", selection });
  const facts = forward({ weights, truth });
  const legend = truth ? h("p", { class: "at-small" }, h("span", { class: "at-truth-key", "aria-hidden": "true" }), ` true source position; the largest weight points at it in ${Math.round(100 * facts.pointing)} % of the outputs that have one.`) : null;
  root.append(h("div", { class: "at at-align" }, board.strips, scrub.el, board.matrix, legend, terms.el));

  function draw(speak = true) {
    const { output: step, source: place } = selection.value;
    terms.update(contextLines(source, target, weights, step, place));
    report({ ...facts, step, source: place, weights }, speak ? `${target[step]} reads ${source[place]} with weight ${num(weights[step][place])}.` : undefined);
  }
  board.update({ source, output: target, weights, truth });
  scrub.update(target.length);
  selection.on(({ output }) => {
    if (output !== now.step) { now = { ...now, step: output }; update({ step: output }); }
    draw();
  });
  draw();
  return {
    set: (next) => { now = next; selection.pick({ output: Math.min(next.step, target.length - 1), ...board.follow(Math.min(next.step, target.length - 1)) }); },
    tables: board.tables,
    destroy: scrub.destroy,
  };
}
