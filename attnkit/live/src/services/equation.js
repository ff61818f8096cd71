// Equation: a formula with the numbers of the selection in it. Each number that belongs
// to a mark is a button that selects this mark; the whole equation is one Tab stop.

import { h } from "../core/dom.js";
import { roving, tabStop } from "../core/keys.js";

/** Write "*e*_1 = 2" with italics and subscripts into a node, only when it changed. */
export function rich(node, words) {
  if (node.dataset.words === words) return;
  node.dataset.words = words;
  const parts = words.split(/(\*[^*]+\*|_[^\s_]+_|\^[^\s^]+\^)/).filter(Boolean);
  node.replaceChildren(...parts.map((part) => {
    if (part[0] === "*" && part.length > 2) return h("i", {}, part.slice(1, -1));
    if (part[0] === "_" && part.length > 2) return h("sub", {}, part.slice(1, -1));
    if (part[0] === "^" && part.length > 2) return h("sup", {}, part.slice(1, -1));
    return part;
  }));
}

/**
 * @param label name of the formula for a screen reader
 * @returns { el, update(lines) }; a line is { name, parts }, a part is a string or
 *   { text, pick: { axis: index }, kind } with kind = colour class
 */
export function equation({ label, selection }) {
  const el = h("div", { class: "at-equation", role: "group", "aria-label": label });
  let shape = "";
  let nodes = [];
  const terms = () => [...el.querySelectorAll("button")];
  roving(el, terms, (i) => tabStop(terms(), i));

  const make = (part) => (typeof part === "string"
    ? h("span")
    : h("button", { type: "button", class: "at-term", "data-kind": part.kind ?? "",
      onclick: (event) => {
        tabStop(terms(), terms().indexOf(event.currentTarget));
        selection.pick(JSON.parse(event.currentTarget.dataset.pick));
      } }));
  function build(lines) {
    nodes = lines.map((line) => line.parts.map(make));
    el.replaceChildren(...lines.map((line, i) => h("div", { class: "at-line" },
      h("span", { class: "at-line-name" }, line.name), h("span", { class: "at-line-body" }, ...nodes[i]))));
    tabStop(terms(), 0);
  }
  function choose() {
    terms().forEach((term) => {
      const pick = JSON.parse(term.dataset.pick ?? "{}");
      const on = Object.entries(pick).every(([axis, index]) => selection.value[axis] === index);
      term.setAttribute("aria-pressed", String(on));
    });
  }
  function update(lines) {
    const next = lines.map((line) => line.name + line.parts.map((p) => (typeof p === "string" ? "s" : p.kind ?? "t")).join("")).join("|");
    if (next !== shape) build(lines);
    shape = next;
    lines.forEach((line, i) => line.parts.forEach((part, j) => {
      rich(nodes[i][j], typeof part === "string" ? part : part.text);
      if (part.pick) nodes[i][j].dataset.pick = JSON.stringify(part.pick);
    }));
    choose();
  }
  selection.on(choose);
  return { el, update };
}
