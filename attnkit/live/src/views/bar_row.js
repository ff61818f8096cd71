// BarRow: one distribution as bars with their numbers. Speaks one axis.

import { attrs, h, text, uid } from "../core/dom.js";
import { num } from "../core/format.js";
import { roving, tabStop } from "../core/keys.js";
import { lockKey } from "../core/selection.js";

/**
 * @param label what the bars show, e.g. "Weights"
 * @param axis name of the axis they stand on
 * @param digits decimals of the printed numbers
 * @param kind colour of the fill: "weight", "query", …
 * @param stacked name and number above the bar, for narrow panels
 * @returns { el, update({ names, values, baseline, show, marks }), table }
 *   baseline: a second number per bar, drawn as a tick; marks: words after the name
 */
export function barRow({ label, axis, selection, digits = 2, kind = "weight", baselineName = "baseline", stacked = false }) {
  const id = uid("bars");
  const list = h("div", { class: stacked ? "at-bars at-stacked" : "at-bars", role: "listbox", "aria-labelledby": id, "data-kind": kind });
  let rows = [];
  let now = { names: [], values: [] };
  const el = h("div", { class: "at-view" }, h("div", { class: "at-label", id }, label), list);

  const makeRow = (i) => {
    const parts = {
      name: h("span", { class: "at-bar-name" }), fill: h("i", { class: "at-fill" }),
      tick: h("i", { class: "at-tick" }), number: h("span", { class: "at-num" }),
    };
    parts.el = h("div", {
      class: "at-bar", role: "option",
      onclick: () => { selection.pick({ [axis]: i }); parts.el.focus(); },
      onpointerenter: (event) => { if (event.pointerType === "mouse") selection.hover({ [axis]: i }); },
    }, parts.name, h("span", { class: "at-track" }, parts.fill, parts.tick), parts.number);
    return parts;
  };
  roving(list, () => rows.map((row) => row.el), (i) => selection.pick({ [axis]: i }));
  list.addEventListener("keydown", (event) => lockKey(event, selection));

  function choose() {
    const index = selection.value[axis];
    rows.forEach((row, i) => attrs(row.el, { "aria-selected": String(i === index) }));
    tabStop(rows.map((row) => row.el), Math.min(index ?? 0, rows.length - 1));
  }
  function update(next) {
    now = next;
    const top = next.show ?? 1;
    if (rows.length !== next.names.length) {
      rows = next.names.map((_, i) => makeRow(i));
      list.replaceChildren(...rows.map((row) => row.el));
      choose();
    }
    rows.forEach((row, i) => {
      const value = next.values[i];
      const words = num(value, digits);
      text(row.name, next.names[i]);
      text(row.number, words);
      row.fill.style.transform = `scaleX(${Math.min(1, Math.max(0, value / top)).toFixed(4)})`;
      attrs(row.el, { "aria-label": `${next.names[i]}: ${words}` });
      row.tick.hidden = !next.baseline;
      if (next.baseline) row.tick.style.insetInlineStart = `${Math.min(100, (100 * next.baseline[i]) / top)}%`;
      row.el.classList.toggle("at-hit", Boolean(next.marks?.[i]));
    });
  }
  /** The table twin of the bars. */
  const table = () => ({
    caption: label,
    columns: ["item", label, ...(now.baseline ? [baselineName] : [])],
    rows: now.names.map((name, i) => [name, now.values[i], ...(now.baseline ? [now.baseline[i]] : [])]),
  });
  selection.on(choose);
  return { el, update, table };
}
