// Curve: lines over one axis with a band of several seeds and a cursor. Speaks two axes:
// x (the cursor) and series (which line is brought forward).

import { h, svg, attrs, text, uid } from "../core/dom.js";
import { num } from "../core/format.js";
import { moveKey } from "../core/keys.js";

const W = 420;
const H = 220;
const BOX = { left: 40, right: 12, top: 14, bottom: 34 };
/** Lines differ in dash as well as colour. */
export const DASHES = ["", "7 4", "2 3", "10 3 2 3", "14 4", "4 2 1 2 1 2"];

/**
 * @param label what the lines show; xLabel, yLabel: words at the axes
 * @param xAxis axis of the cursor (index into x); seriesAxis: axis of the lines
 * @param top upper end of y; the lower end is 0, or `bottom` where y is logarithmic
 * @param words how a number is written at the axis and spoken
 * @returns { el, update({ x, series: [{ mean, low, high, points }], mark }), table }
 *   points: [[place, y]], rings beside a line; mark: { place, words }, an upright line
 */
export function curve({ label, xLabel, yLabel, xAxis, seriesAxis, names, top, bottom = null, words = null, selection, ticks = 4 }) {
  const id = uid("curve");
  const bands = names.map((_, i) => svg("path", { class: "at-band", "data-series": i }));
  const lines = names.map((_, i) => svg("path", { class: "at-series", "data-series": i, "stroke-dasharray": DASHES[i % DASHES.length] }));
  const dots = names.map((_, i) => svg("circle", { r: 4, class: "at-dot", "data-series": i }));
  const rings = names.map((_, i) => svg("g", { class: "at-rings", "data-series": i }));
  const cursor = svg("line", { class: "at-cursor", y1: BOX.top, y2: H - BOX.bottom });
  const sign = svg("g", { class: "at-mark-line" }, svg("line", { y1: BOX.top + 26, y2: H - BOX.bottom }), svg("text", { y: BOX.top + 22, "text-anchor": "middle" }));
  const xTicks = svg("g", { class: "at-ticks" });
  const yTicks = svg("g", { class: "at-ticks" });
  const drawing = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "at-curve", tabindex: 0, role: "slider",
    "aria-label": `${label}, cursor`, "aria-valuemin": 0, "aria-valuenow": 0, "aria-valuemax": 0 },
  svg("path", { class: "at-axes", d: `M${BOX.left} ${BOX.top}V${H - BOX.bottom}H${W - BOX.right}` }),
  xTicks, yTicks, ...bands, sign, cursor, ...lines, ...rings, ...dots, caption(xLabel));
  const el = h("div", { class: "at-view" }, h("div", { class: "at-label", id }, label), drawing);
  let now = { x: [], series: [] };

  const X = (i) => BOX.left + ((W - BOX.left - BOX.right) * i) / Math.max(1, now.x.length - 1);
  const share = (y) => (bottom ? Math.log(Math.max(y, bottom) / bottom) / Math.log(top / bottom) : y / top);
  const Y = (y) => H - BOX.bottom - (H - BOX.top - BOX.bottom) * Math.min(share(y), 1.03);
  const tick = (k) => (bottom ? Number((bottom * (top / bottom) ** (k / ticks)).toPrecision(9)) : (top * k) / ticks);
  const path = (ys) => ys.map((y, i) => `${i ? "L" : "M"}${X(i).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
  const at = () => Math.min(selection.value[xAxis] ?? 0, now.x.length - 1);

  drawing.addEventListener("keydown", (event) => {
    const line = { ArrowUp: "ArrowRight", ArrowDown: "ArrowLeft" }[event.key] ?? event.key;
    const next = moveKey({ key: line, preventDefault: () => event.preventDefault(), stopPropagation: () => event.stopPropagation() },
      { row: 0, col: at(), rows: 1, cols: now.x.length });
    if (next) selection.pick({ [xAxis]: next.col });
  });
  drawing.addEventListener("click", (event) => { // a finger that scrolls the page is no click
    const box = drawing.getBoundingClientRect();
    const where = ((event.clientX - box.left) / box.width) * W;
    const index = Math.round(((where - BOX.left) / (W - BOX.left - BOX.right)) * (now.x.length - 1));
    selection.pick({ [xAxis]: Math.max(0, Math.min(now.x.length - 1, index)) });
  });

  function drawTicks() {
    const label_ = (x, y, anchor, words) => {
      const node = svg("text", { x, y, "text-anchor": anchor });
      node.textContent = words;
      return node;
    };
    xTicks.replaceChildren(...now.x.map((x, i) => label_(X(i), H - BOX.bottom + 15, "middle", i % 2 && now.x.length > 7 ? "" : x)));
    yTicks.replaceChildren(...Array.from({ length: ticks + 1 }, (_, k) => label_(BOX.left - 5, Y(tick(k)) + 4, "end", words ? words(tick(k)) : num(tick(k), 1))));
    yTicks.prepend(label_(BOX.left + 6, BOX.top + 4, "start", yLabel));
  }
  function update(next) {
    const fresh = next.x.join() !== now.x.join();
    now = next;
    if (fresh) drawTicks();
    attrs(sign, { visibility: now.mark ? "visible" : "hidden" });
    if (now.mark) {
      for (const node of sign.children) attrs(node, { x: X(now.mark.place), x1: X(now.mark.place), x2: X(now.mark.place) });
      text(sign.lastChild, now.mark.words);
    }
    now.series.forEach(({ mean, low, high, points = [] }, i) => {
      rings[i].replaceChildren(...points.map(([place, y]) => svg("circle", { r: 4, cx: X(place).toFixed(1), cy: Y(y).toFixed(1) })));
      attrs(lines[i], { d: path(mean) });
      attrs(bands[i], { d: low ? `${path(high)}${[...low].reverse().map((y, k) => `L${X(low.length - 1 - k).toFixed(1)} ${Y(y).toFixed(1)}`).join("")}Z` : "" });
    });
    choose();
  }
  function choose() {
    if (!now.x.length) return;
    const index = at();
    attrs(cursor, { x1: X(index), x2: X(index) });
    now.series.forEach(({ mean }, i) => attrs(dots[i], { cx: X(index).toFixed(1), cy: Y(mean[index]).toFixed(1) }));
    [bands, lines, rings, dots].forEach((group) => group.forEach((node, i) => node.classList.toggle("at-on", i === selection.value[seriesAxis])));
    const spoken = names.map((name, i) => `${name} ${(words ?? num)(now.series[i].mean[index])}`).join(", ");
    attrs(drawing, { "aria-valuenow": index, "aria-valuemax": now.x.length - 1, "aria-valuetext": `${xLabel} ${now.x[index]}: ${spoken}` });
  }
  /** The table twin: the means of every line, and the band. */
  const table = () => ({
    caption: label,
    columns: [xLabel, ...names.flatMap((name) => [name, `${name}, low`, `${name}, high`])],
    rows: now.x.map((x, i) => [x, ...now.series.flatMap((s) => [s.mean[i], s.low?.[i] ?? "", s.high?.[i] ?? ""])]),
  });
  selection.on(choose);
  return { el, update, table };
}

function caption(words) {
  const node = svg("text", { x: (W + BOX.left) / 2, y: H - 3, class: "at-axis-name", "text-anchor": "middle" });
  text(node, words);
  return node;
}
