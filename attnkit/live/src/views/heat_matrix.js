// HeatMatrix: a two-dimensional slice as a grid of cells. Speaks two axes. Cells are CSS
// grid items, so they shrink with the page while letters keep their size. One of them,
// the active cell, is a real grid cell for keyboard and screen reader; it moves.

import { h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { paint } from "../core/colour.js";
import { moveKey } from "../core/keys.js";
import { lockKey } from "../core/selection.js";

/** Above this many cells one canvas is drawn instead of an element per cell. */
const MANY = 1200;

/**
 * @param label what the matrix shows
 * @param rowAxis, colAxis names of the axes
 * @param onKey called first with (event, row, col); true = handled (for edits)
 * @param corner head of the table's first column, if the axes' names do not fit
 * @param verb between the names of row and column; sums: a sum per row in the table
 * @param many from how many cells on one canvas is drawn
 * @param knob an element that the matrix places on the peak of the selected row
 * @returns { el, table, update({ rows, cols, values, marks, forced, heads, sides, top }) }
 *   marks[r] = list of columns to ring (the known truth); forced[r] = row was overridden;
 *   allowed[r][c] = 0 where nothing may be seen: the cell is hatched
 *   heads, sides = shorter words for columns and rows, where their names have no room;
 *   top = the number of the darkest cell, 1 if left out
 */
export function heatMatrix({ label, rowAxis, colAxis, selection, onKey = null, knob = null, showValues = false, verb = "reads", sums = true, many = MANY, corner = `${rowAxis} \\ ${colAxis}` }) {
  let now = { rows: [], cols: [], values: [] };
  let cells = [];
  let heads = { rows: [], cols: [] };
  const active = h("div", { class: "at-active", role: "gridcell", tabindex: 0 });
  const activeRow = h("div", { role: "row", class: "at-contents" }, active);
  const board = h("div", { class: "at-board", "aria-hidden": "true" });
  const grid = h("div", { class: "at-contents", role: "grid", "aria-label": label }, activeRow);
  const layout = h("div", { class: "at-heat" }, board, grid, knob);
  const el = h("div", { class: "at-view" }, layout);

  const at = () => ({
    row: Math.min(selection.value[rowAxis] ?? 0, now.rows.length - 1),
    col: Math.min(selection.value[colAxis] ?? 0, now.cols.length - 1),
  });
  active.addEventListener("keydown", (event) => {
    const { row, col } = at();
    if (onKey?.(event, row, col)) { event.preventDefault(); event.stopPropagation(); return; }
    if (lockKey(event, selection)) return;
    const next = moveKey(event, { row, col, rows: now.rows.length, cols: now.cols.length });
    if (next) selection.pick({ [rowAxis]: next.row, [colAxis]: next.col });
  });
  const under = (event) => {
    const index = board.children.length && event.target.dataset?.cell;
    if (index) return { r: Math.floor(index / now.cols.length), c: index % now.cols.length };
    if (event.target.tagName !== "CANVAS") return null;
    const box = event.target.getBoundingClientRect();
    return { r: Math.floor(((event.clientY - box.top) / box.height) * now.rows.length),
      c: Math.floor(((event.clientX - box.left) / box.width) * now.cols.length) };
  };
  board.addEventListener("click", (event) => {
    const hit = under(event);
    if (!hit) return;
    selection.pick({ [rowAxis]: hit.r, [colAxis]: hit.c });
    active.focus({ preventScroll: true });
  });

  function build() {
    const { rows, cols } = now;
    layout.style.setProperty("--n", cols.length);
    grid.setAttribute("aria-rowcount", rows.length);
    grid.setAttribute("aria-colcount", cols.length);
    heads = {
      cols: cols.map((_, c) => h("span", { class: c + 1 < cols.length ? "at-col" : "at-col at-last", style: `grid-area:1/${c + 2}` })),
      rows: rows.map((_, r) => h("span", { class: "at-row", style: `grid-area:${r + 2}/1` })),
    };
    const big = rows.length * cols.length > many;
    cells = big ? [] : rows.flatMap((_, r) => cols.map((__, c) => h("span", {
      class: "at-cell", "data-cell": r * cols.length + c, style: `grid-area:${r + 2}/${c + 2}` })));
    const marks = big ? [h("canvas", { class: "at-canvas", width: cols.length, height: rows.length,
      style: `grid-area:2/2/${rows.length + 2}/${cols.length + 2}` })] : cells;
    board.replaceChildren(...heads.cols, ...heads.rows, ...marks);
    board.dataset.shape = `${rows.length}×${cols.length}`;
  }
  function paintCanvas() {
    const canvas = board.querySelector("canvas");
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(now.cols.length, now.rows.length);
    const [r, g, b] = getComputedStyle(canvas).color.match(/[\d.]+/g).map(Number);
    now.values.flat().forEach((v, i) => image.data.set([r, g, b, 255 * Math.min(1, Math.max(0, v / (now.top ?? 1)))], 4 * i));
    pen.putImageData(image, 0, 0);
  }
  function update(next) {
    now = next;
    if (board.dataset.shape !== `${now.rows.length}×${now.cols.length}`) build();
    now.cols.forEach((name, c) => text(heads.cols[c], now.heads?.[c] ?? name));
    now.rows.forEach((name, r) => {
      text(heads.rows[r], now.sides?.[r] ?? name);
      heads.rows[r].classList.toggle("at-forced", Boolean(now.forced?.[r]));
    });
    if (!cells.length && now.rows.length) paintCanvas();
    cells.forEach((cell, i) => {
      const r = Math.floor(i / now.cols.length);
      const c = i % now.cols.length;
      paint(cell, now.values[r][c] / (now.top ?? 1));
      cell.classList.toggle("at-truth", Boolean(now.marks?.[r]?.includes(c)));
      cell.classList.toggle("at-masked", Boolean(now.allowed && !now.allowed[r][c]));
      if (showValues) text(cell, num(now.values[r][c]));
    });
    choose();
  }
  function choose() {
    if (!now.rows.length || !now.cols.length) return;
    const { row, col } = at();
    const value = now.values[row][col];
    active.style.gridArea = `${row + 2}/${col + 2}`;
    activeRow.setAttribute("aria-rowindex", row + 1);
    active.setAttribute("aria-colindex", col + 1);
    active.setAttribute("aria-label", `${now.rows[row]} ${verb} ${now.cols[col]}: ${num(value, 3)}${now.allowed && !now.allowed[row][col] ? ", masked" : ""}`);
    active.setAttribute("aria-selected", String(selection.locked));
    heads.rows.forEach((node, r) => node.classList.toggle("at-on", r === row));
    heads.cols.forEach((node, c) => node.classList.toggle("at-on", c === col));
    if (knob) knob.style.gridArea = `${row + 2}/2/${row + 3}/${now.cols.length + 2}`;
  }
  /** The table twin of the matrix, with the sum of each row. */
  const table = () => ({
    caption: label,
    columns: [corner, ...now.cols, ...(sums ? ["sum"] : [])],
    rows: now.rows.map((name, r) => [name, ...now.values[r], ...(sums ? [now.values[r].reduce((a, b) => a + b, 0)] : [])]),
  });
  selection.on(choose);
  return { el, update, table };
}
