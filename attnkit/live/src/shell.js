// The frame around every widget: caption, readout, controls, and all that a widget
// need not know of: the kernel, undo, the address, the theme, and its own failure.
//
// A widget is a module with
//   mount({ root, data, state, update, model, report, kernel }) -> { set, tables?, destroy }
//   height(width, data) -> px     optional: kept free until the widget is drawn
//   keys = [[key, what it does]]  optional: shown by the `?` button
// where
//   update(patch) -> state        the reader changed something; the widget redraws itself
//   set(state)                    kernel, link, undo, reset or address changed it
//   report(readout, sentence)     the numbers of this state, and one sentence of them
//   tables() -> [{ caption, columns, rows }]   the same numbers as tables

import { h } from "./dom.js";
import * as fragment from "./fragment.js";
import { drawFrame } from "./frame.js";
import { openKernel } from "./kernel.js";
import { createStore } from "./store.js";
import { drawTables } from "./tables.js";
import { watchTheme } from "./theme.js";
import { paced, whenNear } from "./timing.js";
import { copy, equal, merged, plain, python } from "./values.js";

const COMMON_KEYS = [
  ["Ctrl Z", "undo"],
  ["r", "reset"],
  ["?", "show or hide this list"],
];

/** Draw one widget into `el`. Returns the function that takes it away again. */
export function openShell({ model, el, widget }) {
  const frame = drawFrame(model);
  const shell = new Shell(model, widget, frame);
  el.append(frame.host);
  shell.open();
  return () => shell.close();
}

const slugs = new Map(); // how many widgets of this page go by a name

/** A name for the address: the author's, else the kind; numbered if it repeats. */
function slugOf(model) {
  const name = (model.get("slug") || model.get("kind") || "widget").replace(/[^\w-]/g, "-");
  const count = (slugs.get(name) ?? 0) + 1;
  slugs.set(name, count);
  return count === 1 ? name : `${name}-${count}`;
}

class Shell {
  constructor(model, widget, frame) {
    Object.assign(this, { model, widget, frame, slug: slugOf(model), view: null, closers: [] });
    const initial = model.get("initial");
    const first = initial && Object.keys(initial).length ? initial : (model.get("state") ?? {});
    this.store = createStore(first);
    this.save = paced(60, () => this.send());
    this.link = paced(300, () => fragment.show(fragment.write(this.slug, this.store.get())));
    this.speak = paced(500, (sentence) => (frame.output.textContent = sentence));
  }

  open() {
    const { model, frame } = this;
    this.buttons = this.drawControls();
    this.closers.push(watchTheme((theme) => this.dressAs(theme)));
    this.on("change:state", () => this.takeState(model.get("state")));
    this.on("change:data", () => this.remount());
    this.on("change:caption", () => (frame.caption.textContent = model.get("caption")));
    this.on("change:alt", () => (frame.alt.textContent = model.get("alt")));
    this.kernel = openKernel(model, { onchange: () => this.showWhere() });
    this.kernel.ready.then(() => this.showWhere());
    this.listenToKeys();
    this.takeState(model.get("state"));
    const asked = this.restore();
    this.followAddress();
    this.reserve();
    if (asked) {
      this.mount();
      this.bringIntoView();
    } else this.closers.push(whenNear(frame.host, () => this.mount()));
  }

  close() {
    this.closed = true;
    for (const stop of [this.save, this.link, this.speak]) stop.cancel();
    for (const close of this.closers) close();
    this.unmount();
    this.kernel.close();
    this.frame.host.remove();
  }

  on(event, listener) {
    this.model.on(event, listener);
    this.closers.push(() => this.model.off(event, listener));
  }

  /** Style sheets follow by themselves; what is painted on a canvas is painted again. */
  dressAs(theme) {
    const { dataset } = this.frame.host;
    if (dataset.theme === theme) return;
    dataset.theme = theme;
    this.redraw();
  }

  // ---- the widget itself ---------------------------------------------------------

  /** Keep the room that the widget will need, so that nothing jumps when it comes. */
  reserve() {
    const { stage, host } = this.frame;
    const width = host.parentElement?.clientWidth || 640;
    const px = this.widget?.height?.(width, this.model.get("data") ?? {});
    if (px) stage.style.minHeight = `${px}px`;
  }

  mount() {
    if (this.closed || this.view) return;
    try {
      if (!this.widget) throw new Error(`this page's script knows no widget "${this.model.get("kind")}"`);
      this.view = this.widget.mount({
        root: this.frame.stage,
        data: this.model.get("data") ?? {},
        state: copy(this.store.get()),
        update: (patch) => this.update(patch),
        report: (readout, sentence) => this.report(readout, sentence),
        model: this.model,
        kernel: this.kernel,
      });
      this.buttons.table.hidden = !this.view.tables;
      this.frame.stage.style.minHeight = "";
      this.frame.host.dispatchEvent(new CustomEvent("attnkit:drawn", { bubbles: true }));
    } catch (error) {
      this.fail(error);
    }
  }

  unmount() {
    try {
      this.view?.destroy?.();
    } catch (error) {
      console.error(error);
    }
    this.view = null;
    this.frame.stage.replaceChildren();
  }

  remount() {
    this.unmount();
    delete this.frame.host.dataset.failed;
    this.frame.controls.hidden = false;
    this.mount();
  }

  /** A readable sentence and the static picture, in place of the widget. */
  async fail(error) {
    console.error(error);
    this.unmount();
    const { host, stage, controls } = this.frame;
    host.dataset.failed = "true";
    controls.hidden = true;
    const reason = String(error?.message ?? error).replace(/\.$/, "");
    stage.append(h("p", { class: "failure", role: "alert" }, `This widget cannot run here: ${reason}.`));
    const picture = this.model.picture?.() ?? (await this.pictureFromKernel());
    if (picture && !this.closed) stage.append(picture);
  }

  async pictureFromKernel() {
    if (!(await this.kernel.ready)) return null;
    const png = await this.kernel.call("picture").catch(() => null);
    return png && h("img", { src: `data:image/png;base64,${png}`, alt: this.model.get("alt") ?? "" });
  }

  // ---- state ---------------------------------------------------------------------

  /** The reader changed something in the widget. */
  update(patch) {
    if (this.store.patch(patch)) this.stateChanged();
    return copy(this.store.get());
  }

  stateChanged() {
    this.frame.output.setAttribute("aria-live", "polite");
    this.buttons.undo.disabled = !this.store.canUndo();
    this.model.set("state", copy(this.store.get()));
    this.save();
    if (this.model.isStatic) this.link();
  }

  /** The state came from elsewhere: kernel, a link, another view of this model. */
  takeState(state) {
    if (!state || equal(state, this.store.get())) return;
    try {
      if (!this.store.replace(state)) return;
    } catch (error) {
      return this.say(`A new state was not taken: ${error.message}.`);
    }
    this.buttons.undo.disabled = !this.store.canUndo();
    this.redraw();
  }

  /** Show the store's state in the widget. */
  redraw() {
    if (!this.view) return;
    try {
      this.view.set(copy(this.store.get()));
    } catch (error) {
      this.fail(error);
    }
  }

  undo() {
    if (this.store.undo()) this.afterJump();
  }

  reset() {
    if (this.store.reset()) this.afterJump();
  }

  afterJump() {
    this.stateChanged();
    this.redraw();
  }

  /** Take the state that the address holds for this widget, if any. */
  restore(otherwise = "here is its first state") {
    if (!this.model.isStatic) return false;
    try {
      const state = fragment.read(location.hash, this.slug);
      if (state === undefined) return false;
      if (this.store.replace(merged(this.store.get(), state))) this.stateChanged();
      return true;
    } catch {
      this.say(`The address holds a state of this widget that cannot be read; ${otherwise}.`);
      return false;
    }
  }

  /** A link pasted into the bar of the same page loads nothing: its state is taken here. */
  followAddress() {
    const follow = () => {
      if (!this.restore("nothing has changed")) return;
      this.say("");
      if (this.view) this.redraw();
      else this.remount();
      this.bringIntoView();
    };
    addEventListener("hashchange", follow);
    this.closers.push(() => removeEventListener("hashchange", follow));
  }

  /** The whole widget, or its beginning; once more when the page around it stands. */
  bringIntoView() {
    const { host } = this.frame;
    const go = () => {
      const block = host.offsetHeight < innerHeight ? "center" : "start";
      if (!this.closed) host.scrollIntoView?.({ block });
    };
    go();
    requestAnimationFrame(() => requestAnimationFrame(go));
  }

  // ---- what the widget reports ---------------------------------------------------

  report(readout, sentence) {
    const { host, tables } = this.frame;
    const values = plain(readout);
    host.dataset.readout = JSON.stringify(values);
    host.dataset.live = "true";
    this.model.set("readout", values);
    this.save();
    if (sentence) this.speak(sentence);
    if (!tables.hidden) this.showTables();
  }

  /** To the kernel, if there is one; a dead one must not disturb the page. */
  send() {
    try {
      Promise.resolve(this.model.save_changes()).catch(() => {});
    } catch {
      this.kernel.available = false;
      this.showWhere();
    }
  }

  showWhere() {
    const { host, where } = this.frame;
    const live = this.kernel?.available ?? false;
    host.dataset.kernel = String(live);
    where.textContent = live ? "linked to Python" : "";
  }

  say(sentence) {
    const { note } = this.frame;
    note.replaceChildren(sentence);
    note.hidden = !sentence;
  }

  // ---- controls ------------------------------------------------------------------

  drawControls() {
    const { controls } = this.frame;
    const add = (text, onclick, more = {}) => {
      const button = h("button", { type: "button", onclick, ...more }, text);
      controls.append(button);
      return button;
    };
    const buttons = {
      undo: add("Undo", () => this.undo(), { disabled: true }),
      reset: add("Reset", () => this.reset()),
      table: add("Table", () => this.toggle("table", "tables", () => this.showTables()), {
        "aria-expanded": "false",
      }),
      link: add("Copy link", () => this.copyLink()),
      python: add("Copy as Python", () => this.copyPython()),
      keys: add("?", () => this.toggle("keys", "keys", () => this.showKeys()), {
        "aria-expanded": "false",
        "aria-label": "Keys",
        title: "Keys",
      }),
    };
    buttons.link.hidden = !this.model.isStatic;
    buttons.python.hidden = !this.model.get("python");
    return buttons;
  }

  toggle(button, part, draw) {
    const panel = this.frame[part];
    panel.hidden = !panel.hidden;
    this.buttons[button].setAttribute("aria-expanded", String(!panel.hidden));
    panel.hidden ? panel.replaceChildren() : draw();
  }

  showTables() {
    if (this.view?.tables) drawTables(this.frame.tables, this.view.tables());
  }

  showKeys() {
    const rows = [...(this.widget?.keys ?? []), ...COMMON_KEYS];
    this.frame.keys.replaceChildren(
      h("dl", {}, ...rows.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])),
    );
  }

  listenToKeys() {
    const { frame } = this.frame;
    frame.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.altKey || writes(event.target)) return;
      const command = event.ctrlKey || event.metaKey;
      if (command && event.key === "z") this.undo();
      else if (!command && event.key === "r") this.reset();
      else if (!command && event.key === "?") this.buttons.keys.click();
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  }

  copyLink() {
    const state = fragment.write(this.slug, this.store.get());
    fragment.show(state);
    this.copyText(fragment.address(state), "Link copied: it opens the page in this state.");
  }

  copyPython() {
    const code = this.model.get("python").replace("{state}", () => python(this.store.get()));
    this.copyText(code, "Python copied: paste it into a cell of this chapter's notebook.");
  }

  /** Into the clipboard; where that is forbidden, into a field to copy from by hand. */
  async copyText(text, done) {
    try {
      await navigator.clipboard.writeText(text);
      this.say(done);
    } catch {
      const field = h("textarea", { readonly: true, rows: 4, "aria-label": "Text to copy" });
      field.value = text;
      this.say("Copy this: ");
      this.frame.note.append(field);
      field.select();
    }
  }
}

/** Whether keys typed into this element are text. */
function writes(target) {
  if (target.isContentEditable) return true;
  if (target.localName === "input") return !["range", "checkbox", "radio", "button"].includes(target.type);
  return target.localName === "textarea" || target.localName === "select";
}
