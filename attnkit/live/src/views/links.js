// Links: arcs between two strips, width and darkness = weight. Speaks two axes. Both
// strips have equal columns, so an arc needs only the index and the count. The picture is
// drawn in a box of 100 × 100 that stretches; strokes keep their width.

import { attrs, svg } from "../core/dom.js";

/**
 * @param label words for a reader who does not see the arcs
 * @param from axis of the upper strip (keys)
 * @param to axis of the lower strip (queries)
 * @param least weights below it are not drawn
 * @returns { el, update({ weights }) } with weights[to][from]
 */
export function links({ label, from, to, selection, least = 0.04 }) {
  const layer = svg("g");
  const el = svg("svg", { class: "at-links", viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img", "aria-label": label }, layer);
  let arcs = [];

  const place = (i, n) => (100 * (i + 0.5)) / n;
  function update({ weights }) {
    const flat = weights.flatMap((row, t) => row.map((weight, s) => ({ weight, s, t, n: row.length })))
      .filter((arc) => arc.weight >= least);
    while (arcs.length < flat.length) {
      arcs.push({ node: layer.appendChild(svg("path", { class: "at-arc", "vector-effect": "non-scaling-stroke" })) });
      const mine = arcs[arcs.length - 1];
      mine.node.addEventListener("click", () => selection.pick({ [from]: mine.s, [to]: mine.t }));
    }
    while (arcs.length > flat.length) arcs.pop().node.remove();
    flat.forEach((arc, i) => {
      Object.assign(arcs[i], arc);
      const a = place(arc.s, arc.n);
      const b = place(arc.t, weights.length);
      attrs(arcs[i].node, { d: `M${a} 0C${a} 55 ${b} 45 ${b} 100`, style: `--w:${arc.weight.toFixed(3)}` });
    });
    choose();
  }
  function choose() {
    const value = selection.value;
    arcs.forEach((arc) => arc.node.classList.toggle("at-on", arc.t === value[to] || arc.s === value[from] && value[to] === null));
  }
  selection.on(choose);
  return { el, update };
}
