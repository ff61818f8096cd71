// ImageOverlay: an image under a grid of regions, each framed as thick as its weight.
// Speaks one axis, whose places are the regions row by row. One of them, the active cell,
// is a real grid cell for keyboard and screen reader; it moves.

import { attrs, h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { moveKey } from "../core/keys.js";
import { lockKey } from "../core/selection.js";
import { putFrame } from "./frame_strip.js";

/**
 * @param label what the image is; axis: name of the axis of the regions
 * @param rows, cols of the grid; size: pixels of a side of the image
 * @param onKey called first with (event, region); true = handled
 * @param onPick called with a region that was clicked, after it was selected
 * @returns { el, update({ pixels, weights, truth, notes, alt }), table }
 *   truth: list of regions to ring; notes[i] is a word that a region carries ("blank",
 *   "marked"); alt: what the image shows, in words
 */
export function imageOverlay({ label, axis, rows, cols, size, selection, onKey = null, onPick = null }) {
  const picture = h("canvas", { class: "at-picture", width: size, height: size, role: "img" });
  const cells = Array.from({ length: rows * cols }, (_, i) => {
    const number = h("span", { class: "at-num" });
    return { el: h("span", { class: "at-region", "data-region": i }, number), number };
  });
  const marks = h("div", { class: "at-regions", "aria-hidden": "true", style: `--rows:${rows};--cols:${cols}` }, ...cells.map(({ el }) => el));
  const active = h("div", { class: "at-region-active", role: "gridcell", tabindex: 0 });
  const grid = h("div", { class: "at-regions at-regions-top", role: "grid", "aria-label": label, "aria-rowcount": rows, "aria-colcount": cols, style: `--rows:${rows};--cols:${cols}` },
    h("div", { role: "row", class: "at-contents" }, active));
  const el = h("div", { class: "at-view at-overlay" }, picture, marks, grid);
  let now = { weights: [] };
  const at = () => Math.min(selection.value[axis] ?? 0, cells.length - 1);
  const name = (i) => `row ${Math.floor(i / cols) + 1}, column ${(i % cols) + 1}`;

  marks.addEventListener("click", (event) => {
    const region = event.target.closest("[data-region]")?.dataset.region;
    if (region === undefined) return;
    selection.pick({ [axis]: Number(region) });
    active.focus({ preventScroll: true });
    onPick?.(Number(region));
  });
  active.addEventListener("keydown", (event) => {
    if (onKey?.(event, at())) { event.preventDefault(); event.stopPropagation(); return; }
    if (lockKey(event, selection)) return;
    const next = moveKey(event, { row: Math.floor(at() / cols), col: at() % cols, rows, cols });
    if (next) selection.pick({ [axis]: next.row * cols + next.col });
  });

  function update(next) {
    if (next.pixels !== now.pixels) putFrame(picture, next.pixels, size);
    now = next;
    attrs(picture, { "aria-label": next.alt });
    cells.forEach(({ el: cell, number }, i) => {
      const weight = next.weights[i] ?? 0;
      cell.style.setProperty("--w", weight.toFixed(4));
      attrs(cell, { "data-note": next.notes?.[i] || null, "data-seen": weight >= 0.05 });
      cell.classList.toggle("at-truth", Boolean(next.truth?.includes(i)));
      text(number, weight >= 0.05 ? num(weight) : "");
    });
    choose();
  }
  function choose() {
    const i = at();
    active.style.gridArea = `${Math.floor(i / cols) + 1}/${(i % cols) + 1}`;
    const spoken = [name(i), `weight ${num(now.weights[i] ?? 0)}`, now.notes?.[i], now.truth?.includes(i) ? "true place of the word" : ""];
    attrs(active, { "aria-label": spoken.filter(Boolean).join(", "), "aria-rowindex": Math.floor(i / cols) + 1, "aria-colindex": (i % cols) + 1, "aria-selected": String(selection.locked) });
  }
  /** The table twin: the weights as they lie on the image. */
  const table = () => ({
    caption: label,
    columns: ["row", ...Array.from({ length: cols }, (_, c) => `column ${c + 1}`)],
    rows: Array.from({ length: rows }, (_, r) => [r + 1, ...now.weights.slice(r * cols, (r + 1) * cols)]),
  });
  selection.on(choose);
  return { el, update, table, name };
}
