// Which theme the page around a widget shows, and when it changes.

const watchers = new Set();
let observer = null;
const dark = globalThis.matchMedia?.("(prefers-color-scheme: dark)");

/** "light" or "dark", as the host page says: book, JupyterLab, Colab, VS Code, system. */
export function currentTheme() {
  const { documentElement: html, body } = document;
  const book = html.dataset.theme;
  if (book === "light" || book === "dark") return book;
  const lab = body?.dataset.jpThemeLight;
  if (lab) return lab === "true" ? "light" : "dark";
  const colab = html.getAttribute("theme");
  if (colab === "light" || colab === "dark") return colab;
  const code = body?.dataset.vscodeThemeKind;
  if (code) return /light/.test(code) ? "light" : "dark";
  return dark?.matches ? "dark" : "light";
}

function tell() {
  const theme = currentTheme();
  for (const watch of watchers) watch(theme);
}

function listen() {
  observer = new MutationObserver(tell);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme", "theme"] });
  if (document.body) {
    observer.observe(document.body, {
      attributeFilter: ["data-jp-theme-light", "data-vscode-theme-kind"],
    });
  }
  dark?.addEventListener("change", tell);
}

function ignore() {
  observer.disconnect();
  dark?.removeEventListener("change", tell);
}

/** Call `watch(theme)` now and at every change. Returns the end of it. */
export function watchTheme(watch) {
  if (!watchers.size) listen();
  watchers.add(watch);
  watch(currentTheme());
  return () => {
    if (watchers.delete(watch) && !watchers.size) ignore();
  };
}
