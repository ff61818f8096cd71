// What all widgets share. With the files of single widgets joined to it, this is the
// module that anywidget (JupyterLab, Colab, VS Code) and book/_static/host.js (static
// pages) import. Python's trait `kind` chooses the widget.

import { openShell } from "./shell.js";

export { load } from "./graph.js"; // for tests in the real browser
export { modules } from "shared:modules"; // what a widget's file imports
export const widgets = {}; // kind -> module; each widget's file enters itself

export function render({ model, el }) {
  return openShell({ model, el, widget: widgets[model.get("kind")] });
}
