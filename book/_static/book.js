/* What a page remembers and what the theme leaves out. No dependency; works from
 * file://. Without this script every page still reads well. */
(() => {
  "use strict";

  const STORE = "attnkit.book.exercises";
  let page = "";
  let chapter = "";
  let article = null;

  function where() {
    const options = window.DOCUMENTATION_OPTIONS || {};
    const path = location.pathname.split("/").slice(-3).join("/").replace(/\.html$/, "");
    page = options.pagename || path;
    chapter = page.replace(/^chapters\//, "").replaceAll("/", ".");
    article = document.querySelector("article.bd-article");
  }

  const make = (tag, attributes = {}, text = "") => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.textContent = text;
    return element;
  };

  /* ---- progress: {"rnn.alignment": {total: 6, done: [1, 4]}} in local storage */

  let memory = {};
  const load = () => {
    try {
      const kept = JSON.parse(localStorage.getItem(STORE) || "{}");
      if (kept && typeof kept === "object" && !Array.isArray(kept)) memory = kept;
    } catch { /* private window, or a damaged entry: start from what is in memory */ }
    return memory;
  };
  const save = (record) => {
    memory = record;
    try { localStorage.setItem(STORE, JSON.stringify(record)); } catch { /* as above */ }
  };
  const doneIn = (record, name) => {
    const done = record[name] && record[name].done;
    return new Set(Array.isArray(done) ? done : []);
  };

  function exercises() {
    const found = [];
    for (const heading of article.querySelectorAll("h3")) {
      const number = /Exercise\s+(\d+)/.exec(heading.textContent);
      const line = heading.nextElementSibling;
      if (number && line && /^[●○]{5}/.test(line.textContent.trim())) {
        found.push({ number: Number(number[1]), heading, line });
      }
    }
    return found;
  }

  function dress(line) {
    const [dots, ...rest] = line.textContent.trim().split(/\s*·\s*/);
    const level = dots.split("●").length - 1;
    line.classList.add("exercise-line");
    const words = make("span", { class: "words" });
    const mark = make("span", { class: "dots", "aria-hidden": "true" }, dots);
    const spoken = make("span", { class: "visually-hidden" }, `difficulty ${level} of 5`);
    words.append(mark, spoken, " · " + rest.join(" · "));
    line.replaceChildren(words);
  }

  function ticks() {
    const all = exercises();
    if (!all.length) return;
    const bar = make("div", { class: "book-progress" });
    const meter = make("progress", { max: all.length, "aria-label": "Exercises done" });
    const count = make("span", { role: "status" });
    const reset = make("button", { type: "button", class: "book-button" }, "Start again");
    bar.append(meter, count, reset);
    all[0].heading.closest("section").parentElement.querySelector("h2")?.after(bar);

    const buttons = all.map(({ number, line }) => {
      dress(line);
      const button = make("button", { type: "button", class: "book-button" });
      button.addEventListener("click", () => {
        const done = doneIn(load(), chapter);
        if (!done.delete(number)) done.add(number);
        keep(done);
      });
      line.append(button);
      return { number, button };
    });

    const keep = (done) => {
      save({ ...load(), [chapter]: { total: all.length, done: [...done].sort((a, b) => a - b) } });
      show();
    };
    const show = () => {
      const done = doneIn(load(), chapter);
      for (const { number, button } of buttons) {
        const pressed = done.has(number);
        button.setAttribute("aria-pressed", String(pressed));
        button.setAttribute("aria-label", `Exercise ${number}: done`);
        button.textContent = pressed ? "✓ Done" : "Mark as done";
      }
      meter.value = buttons.filter(({ number }) => done.has(number)).length;
      count.textContent = `${meter.value} of ${all.length} exercises done`;
      reset.hidden = done.size === 0;
      badges();
    };
    reset.addEventListener("click", () => { keep(new Set()); buttons[0].button.focus(); });
    window.addEventListener("storage", (event) => { if (event.key === STORE) show(); });
    keep(doneIn(load(), chapter));
  }

  /* "2/6" beside a chapter's name in the list on the left. */
  function badges() {
    const record = load();
    for (const link of document.querySelectorAll(".bd-sidebar-primary nav.bd-links a")) {
      const target = link.getAttribute("href") === "#" ? page : new URL(link.href).pathname;
      const match = /([\w-]+\/[\w-]+)(?:\.html)?$/.exec(target);
      const name = match ? match[1].replace("/", ".") : "";
      const done = doneIn(record, name).size;
      link.querySelector(".book-done")?.remove();
      if (done) {
        link.append(make("span", { class: "book-done", title: "exercises done" },
          `${done}/${record[name].total}`));
      }
    }
  }

  /* ---- questions: a choice shows whether it was right once it is opened */

  function verdict(box, summary) {
    const told = box.textContent.trim().slice(summary.textContent.trim().length).trim();
    if (/^(yes|right|correct|true)\b/i.test(told)) return "right";
    return /^(no|not|wrong|false)\b/i.test(told) ? "wrong" : "";
  }

  function choices() {
    const questions = [];
    for (const box of article.querySelectorAll("details")) {
      const summary = box.querySelector("summary");
      if (box.className || !summary || !/^[A-H][.)]\s/.test(summary.textContent.trim())) continue;
      if (!box.previousElementSibling?.classList.contains("choice")) questions.push([]);
      const answer = verdict(box, summary);
      box.classList.add("choice", ...(answer ? [answer] : []));
      questions.at(-1).push(box);
    }
    /* Beside a right choice, one that begins otherwise is a wrong one. */
    for (const boxes of questions) {
      if (!boxes.some((box) => box.classList.contains("right"))) continue;
      for (const box of boxes) {
        if (!box.classList.contains("right")) box.classList.add("wrong");
      }
    }
  }

  /* ---- glossary: find a term in either language */

  function glossary() {
    const lists = [...article.querySelectorAll("dl.glossary")];
    if (!lists.length) return;
    /* Chinese words of a script must stand on its page too: its font has no others. */
    const field = make("input", {
      type: "search", class: "book-filter", placeholder: "Find a term · 查术语",
      "aria-label": "Find a term",
    });
    const none = make("p", { role: "status" });
    for (const term of article.querySelectorAll("dl.glossary dt")) {
      if (/[\u4e00-\u9fff]/.test(term.textContent)) term.lang = "zh-CN";
    }
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      let shown = 0;
      for (const list of lists) {
        let here = 0;
        for (const text of list.querySelectorAll("dd")) {
          const entry = [text];
          while (entry[0].previousElementSibling?.tagName === "DT") {
            entry.unshift(entry[0].previousElementSibling);
          }
          const hit = entry.some((part) => part.textContent.toLowerCase().includes(wanted));
          for (const part of entry) part.hidden = !hit;
          here += hit;
        }
        list.closest("section").hidden = here === 0;
        shown += here;
      }
      none.textContent = shown ? "" : "No such term.";
    });
    lists[0].closest("section").before(field, none);
  }

  /* ---- what the theme leaves out */

  function landmarks() {
    /* The name of the book stands outside every landmark. */
    const brand = document.querySelector(".bd-sidebar-primary .navbar-brand");
    brand?.parentElement.setAttribute("role", "banner");
    /* The arrows that unfold the list on the left have no name. */
    for (const arrow of document.querySelectorAll(".bd-sidebar-primary details > summary")) {
      const name = arrow.closest("li")?.querySelector("a")?.textContent.trim();
      arrow.setAttribute("aria-label", `Pages of ${name || "this part"}`);
    }
  }

  function reachable() {
    /* A box that scrolls must be reachable by key, and have a name. */
    const named = {
      ".figure-box": "Figure, scrolls sideways",
      ".pst-scrollable-table-container": "Table, scrolls sideways",
    };
    const boxes = `.math, pre, .cell_output .output, ${Object.keys(named)}`;
    for (const box of article.querySelectorAll(boxes)) {
      if (box.tagName === "SPAN") continue;
      const name = Object.keys(named).find((selector) => box.matches(selector));
      const scrolls = box.scrollWidth > box.clientWidth;
      if (scrolls) box.tabIndex = 0;
      else if (box.tabIndex === 0) box.removeAttribute("tabindex");
      if (!name) continue;
      for (const [key, value] of [["role", "group"], ["aria-label", named[name]]]) {
        scrolls ? box.setAttribute(key, value) : box.removeAttribute(key);
      }
    }
  }

  function paper() {
    /* On paper everything that is folded is open, and the theme is the light one. */
    const root = document.documentElement;
    let theme = "";
    let opened = [];
    addEventListener("beforeprint", () => {
      theme = root.dataset.theme || "";
      root.dataset.theme = "light";
      opened = [...article.querySelectorAll("details:not([open], .hide)")];
      for (const box of opened) box.open = true;
    });
    addEventListener("afterprint", () => {
      root.dataset.theme = theme;
      for (const box of opened) box.open = false;
    });
  }

  function start() {
    where();
    if (article) {
      ticks();
      choices();
      glossary();
      paper();
      reachable();
      addEventListener("resize", reachable);
      addEventListener("load", () => {
        const math = window.MathJax && window.MathJax.startup && window.MathJax.startup.promise;
        Promise.resolve(math).then(() => setTimeout(reachable, 100));
      });
    }
    landmarks();
    badges();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
