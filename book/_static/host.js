// Puts the book's widgets on a static page: no kernel, no other host, also from disk.
//
// A page holds the widgets' state as one script (application/vnd.jupyter.widget-state+json)
// and a script per place where one is shown (…widget-view+json); myst-nb writes both.
// This host builds a model of each widget, mounts a view after each view script, and
// joins models by jslink and jsdlink. Our widgets' front end is text in
// globalThis.ATTNKIT, from the scripts attnkit/*.js: the part that all widgets share and
// one for each kind on this page. They are joined and imported through a Blob, because a
// page opened from disk may not import a file.
//
// What cannot be shown is said in a sentence, and the static picture is shown.
(function () {
  "use strict";

  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  const MARKER = "attnkit:front-end";

  // ---- front ends --------------------------------------------------------------------

  const modules = new Map(); // source text -> promise of a widget definition

  function sourceOf(model) {
    if (model.get("_esm") !== MARKER) return model.get("_esm");
    const { attnkit, ...kinds } = globalThis.ATTNKIT ?? {};
    if (attnkit) return [attnkit, ...Object.values(kinds)].join("");
    throw new Error("the book's widget script did not load");
  }

  async function importText(text) {
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    try {
      const widget = (await import(url)).default;
      return typeof widget === "function" ? await widget() : widget;
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  function frontEnd(model) {
    const text = sourceOf(model);
    if (!modules.has(text)) modules.set(text, importText(text));
    return modules.get(text);
  }

  // ---- models ------------------------------------------------------------------------

  /** What anywidget's front ends know as `model`, without a kernel behind it. */
  class Model {
    constructor(id, record) {
      this.id = id;
      this.name = record.model_name;
      this.isStatic = true;
      this.values = { ...record.state };
      this.listeners = new Map();
    }

    get(name) {
      return this.values[name];
    }

    set(name, value) {
      if (typeof name === "object") {
        for (const [key, item] of Object.entries(name)) this.set(key, item);
      } else if (this.values[name] !== value) {
        this.values[name] = value;
        this.emit(`change:${name}`, this, value);
        this.emit("change", this);
      }
    }

    on(names, listener) {
      for (const name of names.split(/\s+/)) {
        if (!this.listeners.has(name)) this.listeners.set(name, new Set());
        this.listeners.get(name).add(listener);
      }
    }

    off(names, listener) {
      if (!names) this.listeners.clear();
      for (const name of (names ?? "").split(/\s+/)) {
        if (listener) this.listeners.get(name)?.delete(listener);
        else this.listeners.delete(name);
      }
    }

    emit(name, ...args) {
      for (const listener of [...(this.listeners.get(name) ?? [])]) {
        try {
          listener(...args);
        } catch (error) {
          console.error(error);
        }
      }
    }

    save_changes() {} // nobody to save to
    send() {} // nobody to hear it: probes find no kernel
  }

  const reference = (text) => String(text).replace(/^IPY_MODEL_/, "");

  /** jslink and jsdlink: traits of two models kept equal. */
  function join(models, link) {
    const [[from, output], [to, input]] = [link.get("source"), link.get("target")];
    const [source, target] = [models.get(reference(from)), models.get(reference(to))];
    if (!source || !target) return;
    const forth = () => target.set(input, source.get(output));
    source.on(`change:${output}`, forth);
    if (link.name === "LinkModel") {
      target.on(`change:${input}`, () => source.set(output, target.get(input)));
    }
    forth();
  }

  function buildModels(state) {
    const models = new Map();
    for (const [id, record] of Object.entries(state)) models.set(id, new Model(id, record));
    for (const model of models.values()) {
      if (/^(Directional)?LinkModel$/.test(model.name)) join(models, model);
    }
    return models;
  }

  // ---- views -------------------------------------------------------------------------

  async function showWidget(model, el) {
    const widget = await frontEnd(model);
    const experimental = { invoke: () => Promise.reject(new Error("no kernel here")) };
    const signal = new AbortController().signal;
    await widget.initialize?.({ model, experimental, signal });
    await widget.render({ model, el, experimental, signal });
  }

  async function showBox(models, model, el) {
    const across = model.name === "HBoxModel";
    el.style.cssText = `display:flex;flex-wrap:wrap;gap:8px;flex-direction:${across ? "row" : "column"}`;
    for (const child of model.get("children") ?? []) {
      const place = document.createElement("div");
      if (across) place.style.cssText = "flex:1 1 18rem;min-width:0";
      el.append(place);
      await show(models, reference(child), place);
    }
  }

  /** Draw one model into `el`; throws a sentence where that cannot be done. */
  async function show(models, id, el) {
    const model = models.get(id);
    if (!model) throw new Error("its saved state is missing");
    if (model.get("_esm") !== undefined) return showWidget(model, el);
    if (/^[HV]BoxModel$/.test(model.name)) return showBox(models, model, el);
    throw new Error(`this control needs a running notebook (${model.name.replace(/Model$/, "")})`);
  }

  // ---- what cannot be shown ----------------------------------------------------------

  /** The static picture that the page holds for a view: an image, or one in <noscript>. */
  function pictureOf(script) {
    const around = script.closest(".attnkit-output, .output, .cell_output") ?? script.parentElement;
    const hidden = around?.querySelector("noscript")?.textContent ?? "";
    const image =
      around?.querySelector("img.attnkit-picture") ??
      new DOMParser().parseFromString(hidden, "text/html").querySelector("img");
    if (!image) return null;
    const picture = document.importNode(image, true);
    picture.hidden = false;
    picture.className = "attnkit-picture attnkit-picture-shown";
    picture.style.cssText = "display:block;max-width:100%;height:auto";
    return picture;
  }

  function fail(script, el, error) {
    console.error(error);
    const sentence = document.createElement("p");
    sentence.className = "attnkit-failure";
    sentence.setAttribute("role", "alert");
    const reason = String(error?.message ?? error).replace(/\.$/, "");
    sentence.textContent = `This widget cannot run here: ${reason}.`;
    el.style.minHeight = "";
    el.replaceChildren(sentence, ...[pictureOf(script)].filter(Boolean));
  }

  // ---- the page ----------------------------------------------------------------------

  function readModels() {
    const models = new Map();
    for (const script of document.querySelectorAll(STATE)) {
      for (const [id, model] of buildModels(JSON.parse(script.textContent).state)) {
        models.set(id, model);
      }
    }
    return models;
  }

  /** The room that the page keeps after a view script, else a new place. */
  function placeFor(script) {
    const next = script.nextElementSibling;
    if (next?.matches(".attnkit-room")) return next.querySelector(".attnkit-view");
    const el = document.createElement("div");
    el.className = "attnkit-view";
    el.style.marginBlock = "1rem";
    script.after(el);
    return el;
  }

  /**
   * Room that the widget did not need is given back as soon as nobody sees it go: when all
   * that would move is below the view; or above it, where the browser keeps what is read
   * in its place.
   */
  function settle(el) {
    const spare = el.offsetHeight - (el.firstElementChild?.offsetHeight ?? 0);
    if (spare < 1 || !el.closest(".attnkit-room")) return;
    const end = document.createElement("div");
    el.after(end);
    const watch = new IntersectionObserver(
      (entries) => {
        const { isIntersecting, boundingClientRect: box } = entries.at(-1);
        const above = box.top < 0;
        if (isIntersecting || (above && !CSS.supports("overflow-anchor", "auto"))) return;
        watch.disconnect();
        end.remove();
        el.style.minHeight = "0";
      },
      { rootMargin: `0px 0px ${spare}px 0px` },
    );
    watch.observe(end);
  }

  function mountView(models, script) {
    const el = placeFor(script);
    const drawn = () => requestAnimationFrame(() => settle(el));
    el.addEventListener("attnkit:drawn", drawn, { once: true });
    let id = null;
    Promise.resolve()
      .then(() => {
        id = JSON.parse(script.textContent).model_id;
        const model = models().get(id);
        if (model) model.picture = () => pictureOf(script);
        return show(models(), id, el);
      })
      .catch((error) => fail(script, el, error));
  }

  function boot() {
    let models = null;
    let damage = null;
    try {
      models = readModels();
    } catch (error) {
      console.error(error);
      damage = new Error("its saved state on this page is damaged");
    }
    const known = () => {
      if (damage) throw damage;
      return models;
    };
    for (const script of document.querySelectorAll(VIEW)) mountView(known, script);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", boot);
  else boot();
})();
