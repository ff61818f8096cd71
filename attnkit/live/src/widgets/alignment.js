// Alignment: which source position each output read, from arrays that Python gives.

import { h } from "../core/dom.js";
import { num } from "../core/format.js";
import { argmax } from "../core/maths.js";
import { contextLines, forward } from "../core/alignment.js";
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

export { forward };

/** Where rows are units of a gated state: what the gates left, and the unit as a sum. */
function unitLines(source, units, weights, row, place) {
  const top = [...weights[row].keys()].sort((a, b) => weights[row][b] - weights[row][a]).slice(0, 3);
  const rest = weights[row].reduce((sum, x) => sum + x, 0) - top.reduce((sum, i) => sum + weights[row][i], 0);
  const term = (i) => ({ text: `${num(weights[row][i])} *g*_${i + 1}_ (${source[i]})`, pick: { source: i, output: row }, kind: "value" });
  return [
    { name: `unit ${units[row]}`, parts: [`of what was written at ${source[place]}, position ${place + 1}, there is left *a*_${place + 1}_ = `, { text: num(weights[row][place], 3), pick: { source: place, output: row }, kind: "weight" }] },
    { name: "state", parts: [`*h*_${source.length}_ = `, ...top.flatMap((i, n) => [n ? " + " : "", term(i)]),
      ...(source.length > 3 ? [` + … (${num(Math.max(0, rest))} on the others)`] : [])] },
  ];
}

/** Words for rows and columns: steps of an output, units, or what Python says they are. */
function wording({ units, titles }) {
  const many = "of the outputs that have one";
  if (units) return { output: "Unit", source: "Source", matrix: "What the gates left of each position, one row per unit", scrub: "Unit", true: "source position", many };
  if (!titles) return { output: "Output", source: "Source", matrix: "Attention weights, one row per output", scrub: "Output step", true: "source position", many };
  const [row, column] = titles;
  const [output, source] = titles.map((title) => title[0].toUpperCase() + title.slice(1));
  return { row, column, output, source, matrix: `Attention weights; row: ${row}, column: ${column}`, corner: `${row} \\ ${column}`, scrub: output, true: "place", many: "of the rows that have one" };
}

export function mount({ root, data, state, update, report }) {
  let now = state;
  const { source, target, weights, truth, units } = data;
  const words = wording(data);
  const selection = createSelection({ output: state.step, source: argmax(weights[state.step]) });
  const board = alignmentBoard({ selection, names: words, lang: data.lang });
  const scrub = scrubber({ label: words.scrub, axis: "output", selection, say: (i) => (units ? target[i] : `${i + 1}, ${target[i]}`), follow: board.follow });
  const terms = equation({ label: units ? "One unit in numbers" : "One step in numbers", selection });
  const facts = forward({ weights, truth });
  const legend = truth ? h("p", { class: "at-small" }, h("span", { class: "at-truth-key", "aria-hidden": "true" }), ` true ${words.true}; the largest weight points at it in ${Math.round(100 * facts.pointing)} % ${words.many}.`) : null;
  const packed = Math.max(source.length, target.length) > 12 ? "at-packed" : "";
  root.append(h("div", { class: `at at-align ${packed}` }, board.strips, scrub.el,
    h("div", {}, words.corner ? h("div", { class: "at-label" }, `Row: ${words.row}; column: ${words.column}`) : null, board.matrix), legend, terms.el));

  function draw(speak = true) {
    const { output: step, source: place } = selection.value;
    terms.update(units ? unitLines(source, units, weights, step, place) : contextLines(source, target, weights, step, place, data.value));
    const empty = !facts.row_sums[step];
    report({ ...facts, step, source: place, weights }, speak ? empty ? `${target[step]} ${units ? "holds" : "may see"} nothing.` : `${target[step]} ${units ? "holds" : "reads"} ${source[place]} with weight ${num(weights[step][place])}.` : undefined);
  }
  board.update({ source, output: target, weights, truth });
  scrub.update(target.length);
  selection.on(({ output }) => {
    if (output !== now.step) { now = { ...now, step: output }; update({ step: output }); }
    draw();
    board.reveal();
  });
  draw();
  requestAnimationFrame(board.reveal); // once it has a width
  return {
    set: (next) => { now = next; selection.pick({ output: Math.min(next.step, target.length - 1), ...board.follow(Math.min(next.step, target.length - 1)) }); },
    tables: board.tables,
    destroy: scrub.destroy,
  };
}
