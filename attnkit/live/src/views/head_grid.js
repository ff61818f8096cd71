// HeadGrid: a small picture of the weights of every head, a row for each layer. Speaks
// the axes "layer" and "head". It is one Tab stop; arrows move in it.

import { attrs, h, text } from "../core/dom.js";
import { moveKey } from "../core/keys.js";

/**
 * @param label what the pictures show
 * @param layers, heads how many
 * @returns { el, update({ weights, words, silent }) }; weights[l][h] = rows of weights,
 *   words[l][h] = what the head does, silent[l][h] = true where it writes nothing
 */
export function headGrid({ label, layers, heads, selection }) {
  const make = (l, k) => {
    const canvas = h("canvas", { class: "at-canvas at-thumb", "aria-hidden": "true" });
    const word = h("span", { class: "at-head-word" });
    const name = h("b", {}, `${l + 1}.${k + 1}`);
    const el = h("div", { class: "at-head-card", role: "option", onclick: () => { selection.pick({ layer: l, head: k }); el.focus(); } }, canvas, name, word);
    return { el, canvas, word, l, k };
  };
  const cards = Array.from({ length: layers * heads }, (_, i) => make(Math.floor(i / heads), i % heads));
  const list = h("div", { class: "at-head-grid", role: "listbox", "aria-label": label, style: `--n:${heads}` }, ...cards.map((card) => card.el));
  list.addEventListener("keydown", (event) => {
    const { layer, head } = selection.value;
    const next = moveKey(event, { row: layer, col: head, rows: layers, cols: heads });
    if (!next) return;
    selection.pick({ layer: next.row, head: next.col });
    cards[next.row * heads + next.col].el.focus();
  });
  function choose() {
    cards.forEach(({ el, l, k }) => {
      const on = l === selection.value.layer && k === selection.value.head;
      attrs(el, { "aria-selected": String(on), tabindex: on ? "0" : "-1" });
    });
  }
  function paint(canvas, rows) {
    const n = rows.length;
    if (canvas.width !== n) { canvas.width = n; canvas.height = n; }
    const pen = canvas.getContext("2d");
    const image = pen.createImageData(n, n);
    const [r, g, b] = (getComputedStyle(canvas).color.match(/[\d.]+/g) ?? [24, 100, 171]).map(Number);
    rows.flat().forEach((w, i) => image.data.set([r, g, b, 255 * Math.min(1, Math.max(0, w))], 4 * i));
    pen.putImageData(image, 0, 0);
  }
  function update({ weights, words, silent }) {
    cards.forEach(({ el, canvas, word, l, k }) => {
      paint(canvas, weights[l][k]);
      text(word, silent[l][k] ? "silent" : words[l][k]);
      el.classList.toggle("at-silent", silent[l][k]);
      attrs(el, { "aria-label": [`head ${k + 1} of layer ${l + 1}`, words[l][k], silent[l][k] ? "silent" : ""].filter(Boolean).join(", ") });
    });
    choose();
  }
  selection.on(choose);
  return { el: h("div", { class: "at-view" }, list), update };
}
