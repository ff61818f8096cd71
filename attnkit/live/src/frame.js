// What the frame around a widget is made of: its elements and its style sheet.

import frameStyle from "./shell.css";
import widgetStyle from "./style.css";
import { h } from "./dom.js";

/** The elements of the frame; their behaviour comes from Shell. */
export function drawFrame(model) {
  const kind = model.get("kind");
  const host = h("div", { class: "attnkit", "data-widget": kind, "data-lm-suppress-shortcuts": "true" });
  const shadow = host.attachShadow({ mode: "open" });
  const stage = h("div", { class: "stage" });
  const caption = h("p", { class: "caption", id: "caption" }, model.get("caption") ?? "");
  const alt = h("p", { class: "unseen", id: "alt" }, model.get("alt") ?? "");
  // Silent until the reader acts: a page full of widgets must not talk on its own.
  const output = h("output", { class: "readout", "aria-live": "off" });
  const where = h("span", { class: "where" });
  const controls = h("div", { class: "controls", role: "group", "aria-label": "Widget controls" });
  const note = h("p", { class: "note", role: "status", hidden: true });
  const keys = h("div", { class: "keys", hidden: true });
  const tables = h("div", { class: "tables", hidden: true });
  const frame = h(
    "div",
    { class: "frame", role: "group", "aria-labelledby": "caption", "aria-describedby": "alt" },
    stage, caption, alt, output, h("div", { class: "bar" }, controls, where), note, keys, tables,
  );
  dress(shadow);
  shadow.append(frame);
  return { host, frame, stage, caption, alt, output, where, controls, note, keys, tables };
}

let sheet = null;

/** One style sheet for all shadow roots of the page. */
function dress(shadow) {
  const text = `${frameStyle}\n${widgetStyle}`;
  if (!("adoptedStyleSheets" in shadow)) return shadow.append(h("style", {}, text));
  if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(text);
  shadow.adoptedStyleSheets = [sheet];
}
