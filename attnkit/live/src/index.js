// The bundle: what anywidget (JupyterLab, Colab, VS Code) and book/_static/host.js
// (static pages) import. Python's trait `kind` chooses the widget.

import { load } from "./graph.js";
import { openShell } from "./shell.js";
import { widgets } from "./widgets/index.js";

function render({ model, el }) {
  return openShell({ model, el, widget: widgets[model.get("kind")] });
}

export default { render };
export { load, widgets }; // for tests in the real browser
