// VectorPlane: vectors in a plane that the reader drags. Speaks one axis (items). The
// plane is one Tab stop: arrows move the active vector, PageUp and PageDown change which
// one is active, [ ] turn it, + and − scale it.

import { svg, attrs, text } from "../core/dom.js";
import { clamp, num, snap, vec } from "../core/format.js";
import { draggable } from "../core/drag.js";
import { lockKey } from "../core/selection.js";

const SIZE = 320; // the drawing's own units; CSS stretches it
const HANDLE = 28; // radius that a finger finds: 44 px and more down to 252 px of width

/** Shapes double the colours: query diamond, key circle, value square, output star. */
const SHAPES = {
  query: "M0-9.5L9.500 0 0 9.500-9.500 0Z",
  key: "M-7 0a7 7 0 1 0 14 0a7 7 0 1 0-14 0Z",
  value: "M-6.500-6.500h13v13h-13Z",
  output: "M0-11l2.900 7.100 7.600.6-5.800 4.900 1.800 7.400L0 6l-6.500 4 1.800-7.400-5.800-4.900 7.600-.6Z",
};

/**
 * @param label name of the plane
 * @param range the plane shows −range … range in both directions
 * @param axes { x: [low, high], y: [low, high] } words at the ends of both axes
 * @param items list of { id, kind, name, index, arrow, fixed, below, spoken }; index on
 *   `axis` or null; below puts the name under the mark
 * @param onMove called with (id, [x, y]) while the reader moves a vector
 * @returns { el, update({ at, weight, hull, shadow, spokes }), table }
 *   at[id] = [x, y]; weight[id] sizes a mark; hull = corners; shadow = [from, foot];
 *   spokes = list of { from, to, weight }
 */
export function vectorPlane({ label, range, axes, items, selection, axis, onMove }) {
  const X = (x) => SIZE / 2 + (x * (SIZE / 2 - 16)) / range;
  const Y = (y) => SIZE - X(y);
  const layers = { hull: svg("path", { class: "at-hull" }), ray: svg("path", { class: "at-ray" }),
    shadow: svg("path", { class: "at-shadow" }), spokes: svg("g", { class: "at-spokes" }) };
  const handles = items.map((item) => makeHandle(item));
  const el = svg("svg", { class: "at-plane", viewBox: `0 0 ${SIZE} ${SIZE}`, role: "group", "aria-label": label },
    backdrop(axes), layers.hull, layers.ray, layers.shadow, layers.spokes,
    ...handles.map((handle) => handle.stem), ...handles.map((handle) => handle.node));
  const free = handles.filter((handle) => !handle.item.fixed);
  let active = free[0];
  let now = { at: {} };

  function makeHandle(item) {
    const mark = svg("path", { d: SHAPES[item.kind], class: "at-shape" });
    const name = svg("text", { class: "at-name", "aria-hidden": "true" });
    const stem = svg("line", { class: "at-stem", x1: SIZE / 2, y1: SIZE / 2, "data-kind": item.kind });
    stem.style.display = item.arrow ? "" : "none";
    const hit = item.fixed ? [] : [svg("circle", { r: HANDLE, class: "at-grip" })];
    const node = svg("g", { class: "at-handle", "data-kind": item.kind, "data-id": item.id },
      ...hit, svg("circle", { r: 14, class: "at-ring" }), mark, name);
    if (!item.fixed) attrs(node, { role: "slider", tabindex: -1, "aria-valuemin": -range, "aria-valuemax": range });
    else attrs(node, { role: "img" });
    return { item, node, mark, name, stem };
  }
  const place = (handle, [x, y]) => onMove(handle.item.id, [snap(clamp(x, -range, range)), snap(clamp(y, -range, range))]);
  function activate(handle, focus) {
    active = handle;
    free.forEach((other) => other.node.setAttribute("tabindex", other === active ? 0 : -1));
    if (handle.item.index !== null) selection.pick({ [axis]: handle.item.index });
    if (focus) handle.node.focus({ preventScroll: true });
  }

  const point = (event) => {
    const box = el.getBoundingClientRect();
    const unit = (range * SIZE) / (SIZE / 2 - 16) / box.width;
    return [(event.clientX - box.left - box.width / 2) * unit, (box.top + box.height / 2 - event.clientY) * unit];
  };
  const far = (handle, [x, y]) => Math.hypot(now.at[handle.item.id][0] - x, now.at[handle.item.id][1] - y);
  let offset = [0, 0];
  free.forEach((handle) => draggable(handle.node, {
    // Grips overlap where marks are close: the nearest mark is the one that is meant.
    start: (event) => {
      const where = point(event);
      activate(free.reduce((best, other) => (far(other, where) < far(best, where) ? other : best)), true);
      const here = now.at[active.item.id];
      offset = [here[0] - where[0], here[1] - where[1]];
      el.classList.add("at-dragging");
    },
    move: (event) => { const [x, y] = point(event); place(active, [x + offset[0], y + offset[1]]); },
    end: () => el.classList.remove("at-dragging"),
  }));

  const turn = ([x, y], degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return [x * Math.cos(angle) - y * Math.sin(angle), x * Math.sin(angle) + y * Math.cos(angle)];
  };
  el.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || lockKey(event, selection)) return;
    const [x, y] = now.at[active.item.id];
    const step = event.shiftKey ? 0.5 : 0.1;
    const moves = {
      ArrowLeft: [x - step, y], ArrowRight: [x + step, y], ArrowUp: [x, y + step], ArrowDown: [x, y - step],
      "[": turn([x, y], 5), "]": turn([x, y], -5), "+": [x * 1.1, y * 1.1], "=": [x * 1.1, y * 1.1], "-": [x / 1.1, y / 1.1],
    };
    const which = free.indexOf(active);
    const others = { PageDown: which + 1, PageUp: which - 1, Home: 0, End: free.length - 1 };
    if (moves[event.key]) place(active, moves[event.key]);
    else if (event.key in others) activate(free[(others[event.key] + free.length) % free.length], true);
    else return;
    event.preventDefault();
  });

  function update(next) {
    now = next;
    handles.forEach((handle) => {
      const { item, node, mark, name, stem } = handle;
      const [x, y] = next.at[item.id];
      const size = next.weight?.[item.id];
      attrs(node, { transform: `translate(${X(x).toFixed(1)} ${Y(y).toFixed(1)})`, "aria-label": item.spoken ?? item.name,
        ...(item.fixed ? { "aria-label": `${item.spoken ?? item.name} ${vec([x, y])}` } : { "aria-valuenow": x, "aria-valuetext": `x ${num(x)}, y ${num(y)}` }) });
      attrs(stem, { x2: X(x).toFixed(1), y2: Y(y).toFixed(1) });
      mark.setAttribute("transform", size === undefined ? "" : `scale(${(0.75 + 0.75 * size).toFixed(3)})`);
      if (size !== undefined) node.style.setProperty("--w", size.toFixed(3));
      text(name, item.name);
      const right = X(x) + 14 + 8 * item.name.length > SIZE;
      const above = !item.below && y > 0.3 * range;
      attrs(name, { x: right ? 12 : x < -0.6 * range ? -12 : 12, y: above ? -13 : 24, "text-anchor": right ? "end" : "start" });
    });
    attrs(layers.hull, { d: next.hull ? `M${next.hull.map(([x, y]) => `${X(x)} ${Y(y)}`).join("L")}Z` : "" });
    drawShadow(next.shadow);
    drawSpokes(next.spokes ?? []);
    choose();
  }
  function drawShadow(shadow) {
    if (!shadow) { layers.ray.setAttribute("d", ""); layers.shadow.setAttribute("d", ""); return; }
    const { from, foot, along } = shadow;
    const far = 2 * range;
    attrs(layers.ray, { d: `M${X(-far * along[0])} ${Y(-far * along[1])}L${X(far * along[0])} ${Y(far * along[1])}` });
    attrs(layers.shadow, { d: `M${X(from[0])} ${Y(from[1])}L${X(foot[0])} ${Y(foot[1])}L${X(0)} ${Y(0)}` });
  }
  function drawSpokes(list) {
    while (layers.spokes.children.length < list.length) layers.spokes.append(svg("line"));
    list.forEach(({ from, to, weight }, i) => {
      const line = layers.spokes.children[i];
      attrs(line, { x1: X(from[0]).toFixed(1), y1: Y(from[1]).toFixed(1), x2: X(to[0]).toFixed(1), y2: Y(to[1]).toFixed(1) });
      line.style.strokeWidth = (6 * weight).toFixed(2);
    });
  }
  function choose() {
    const index = selection.value[axis];
    handles.forEach(({ item, node }) => node.classList.toggle("at-on", item.index !== null && item.index === index));
    if (!free.includes(active)) active = free[0];
    free.forEach((handle) => handle.node.setAttribute("tabindex", handle === active ? 0 : -1));
  }
  /** The table twin: every vector with its coordinates. */
  const table = () => ({
    caption: label,
    columns: ["vector", "x", "y"],
    rows: items.map((item) => [item.spoken ?? item.name, ...now.at[item.id]]),
  });
  selection.on(choose);
  return { el, update, table, focus: (id) => activate(handles.find((handle) => handle.item.id === id), true) };
}

/** The mark of a kind as a small picture for a line of text. */
export const glyph = (kind) => svg("svg", { class: "at-glyph", viewBox: "-12 -12 24 24", "data-kind": kind, "aria-hidden": "true" },
  svg("path", { d: SHAPES[kind], class: "at-shape" }));

/** Grid lines, both axes and the words at their ends. */
function backdrop(axes) {
  const half = SIZE / 2;
  const word = (x, y, anchor, words) => {
    const node = svg("text", { x, y, class: "at-axis-name", "text-anchor": anchor });
    node.textContent = words;
    return node;
  };
  return svg("g", { "aria-hidden": "true" },
    svg("path", { class: "at-axes", d: `M6 ${half}H${SIZE - 6}M${half} 6V${SIZE - 6}` }),
    word(SIZE - 4, half - 6, "end", axes.x[1]), word(4, half - 6, "start", axes.x[0]),
    word(half + 6, 15, "start", axes.y[1]), word(half + 6, SIZE - 7, "start", axes.y[0]));
}
