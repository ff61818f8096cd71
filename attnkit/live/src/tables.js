// The table twin: the numbers of a widget as plain tables.

import { h } from "./dom.js";

const show = (value) => (typeof value === "number" ? String(Number(value.toFixed(4))) : String(value ?? ""));

function row(cells) {
  const [name, ...rest] = cells;
  return h("tr", {}, h("th", { scope: "row" }, show(name)), ...rest.map((cell) => h("td", {}, show(cell))));
}

/** Fill `panel` with tables: { caption, columns: [names], rows: [[name, ...values]] }. */
export function drawTables(panel, tables) {
  panel.replaceChildren(
    ...tables.map(({ caption, columns, rows }) =>
      h("table", {},
        h("caption", {}, caption),
        h("thead", {}, h("tr", {}, ...columns.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, ...rows.map(row))),
    ),
  );
  const wide = panel.scrollWidth > panel.clientWidth + 1;
  if (wide) panel.prepend(h("p", { class: "wide" }, "↔ Scroll sideways."));
}
