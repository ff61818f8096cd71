// The alignment board: source strip, arcs, output strip, and the matrix of weights. Used
// by every widget in which one sequence reads another. Axes: "source" and "output".

import { h, attrs } from "./dom.js";
import { clamp, num } from "./format.js";
import { draggable } from "./drag.js";
import { argmax } from "./maths.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { links } from "../views/links.js";
import { tokenStrip } from "../views/token_strip.js";

/**
 * @param selection of the widget
 * @param names { source, output, matrix } words for the views; corner: those for rows and
 *   columns in the table
 * @param onForce (step, { shift, base } | { place }) when the reader moves the attention of a
 *   step; null makes a board that is only looked at
 * @returns { strips, matrix, update(now), follow(step), tables }
 *   now: { source, output, weights, truth, sourceNotes, outputNotes, forced }
 */
export function alignmentBoard({ selection, names, onForce = null, lang = null }) {
  let now = null;
  const source = tokenStrip({ label: names.source, axis: "source", selection, lang });
  const follow = (step) => ({ source: argmax(now.weights[step]) });
  const output = tokenStrip({ label: names.output, axis: "output", selection, follow });
  const arcs = links({ label: `Arcs from ${names.source} to ${names.output}; the matrix holds the same numbers`, from: "source", to: "output", selection });
  const handle = onForce ? knob(() => now, selection, onForce) : null;
  const onKey = onForce ? (event, row, col) => {
    const shift = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.shiftKey && shift) onForce(row, { shift });
    else if (event.key === " ") onForce(row, { place: col });
    else return false;
    return true;
  } : null;
  const matrix = heatMatrix({ label: names.matrix, rowAxis: "output", colAxis: "source", corner: names.corner, selection, onKey, knob: handle?.el });
  const strips = h("div", { class: "at-board-strips" }, source.el, arcs.el, output.el);

  function update(next) {
    now = next;
    const wide = Math.max(next.source.length, next.output.length) > 12;
    strips.classList.toggle("at-many", wide);
    strips.style.setProperty("--cols", Math.max(next.source.length, next.output.length));
    arcs.update({ weights: next.weights });
    matrix.update({ rows: next.output, cols: next.source, values: next.weights, marks: next.truth, forced: next.forced });
    choose();
  }
  /** The strips show the row of the selected output and the column of the selected source. */
  function choose() {
    if (!now?.output.length) return;
    const step = Math.min(selection.value.output, now.output.length - 1);
    const place = Math.min(selection.value.source, now.source.length - 1);
    source.update({ tokens: now.source, weights: now.weights[step], notes: now.sourceNotes });
    output.update({ tokens: now.output, weights: now.weights.map((row) => row[place]), notes: now.outputNotes });
    handle?.choose(step);
  }
  selection.on(choose);
  return { strips, matrix: matrix.el, update, follow, reveal: () => reveal(strips, matrix.el), tables: () => [matrix.table()] };
}

/** What is wide scrolls in a box of its own: bring the selected marks into sight. */
function reveal(strips, matrix) {
  into(matrix, matrix.querySelector(".at-active"), matrix.querySelector(".at-row"));
  for (const chip of strips.querySelectorAll("[aria-selected=true]")) into(strips, chip);
}

/** Scroll a box sideways until a mark stands right of its head, with some room around. */
function into(box, mark, head) {
  if (!mark || box.scrollWidth <= box.clientWidth) return;
  const [frame, at] = [box.getBoundingClientRect(), mark.getBoundingClientRect()];
  const left = head?.getBoundingClientRect().right ?? frame.left;
  if (at.right > frame.right - 14) box.scrollLeft += at.right - frame.right + 14;
  else if (at.left < left + 14) box.scrollLeft -= left + 14 - at.left;
}

/** The knob on the peak of the selected row: dragging it moves the row's attention. */
function knob(now, selection, onForce) {
  const grip = h("div", { class: "at-knob", role: "slider", tabindex: 0, "aria-valuemin": 1 });
  const el = h("div", { class: "at-knob-line" }, grip);
  const step = () => Math.min(selection.value.output, now().output.length - 1);
  const peak = () => argmax(now().weights[step()]);
  let base = null; // the row as it was when the drag began: mass is moved, never lost
  draggable(grip, {
    start: () => { base = { row: now().weights[step()], peak: peak() }; grip.focus({ preventScroll: true }); },
    move: (event) => {
      const box = el.getBoundingClientRect();
      const count = now().source.length;
      const place = clamp(Math.floor(((event.clientX - box.left) / box.width) * count), 0, count - 1);
      if (place !== peak()) onForce(step(), { shift: place - base.peak, base: base.row });
    },
  });
  grip.addEventListener("keydown", (event) => {
    const shift = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    if (!shift) return;
    onForce(step(), { shift });
    event.preventDefault();
    event.stopPropagation();
  });
  function choose(row) {
    const { source, output, weights } = now();
    const at = argmax(weights[row]);
    grip.style.insetInlineStart = `${(100 * (at + 0.5)) / source.length}%`;
    attrs(grip, { "aria-label": `Attention of step ${row + 1}, ${output[row]}`, "aria-valuemax": source.length, "aria-valuenow": at + 1,
      "aria-valuetext": `${source[at]}, position ${at + 1}, weight ${num(weights[row][at])}` });
  }
  return { el, choose };
}
