// Scrubber: one step axis with a slider, single steps and play. Nothing plays by itself;
// play stops at the end, on any other touch of it, and when the page is hidden.

import { attrs, h, text, uid } from "../core/dom.js";

/**
 * @param label what a step is, e.g. "Output step"
 * @param axis name of the axis
 * @param say words for a step: (index) → string
 * @param follow (index) → what else is selected along with a step
 * @returns { el, update(count), destroy }
 */
export function scrubber({ label, axis, selection, say = (i) => `${i + 1}`, pace = 800, follow = null }) {
  let count = 0;
  let timer = 0;
  const id = uid("scrub");
  const go = (index) => {
    const to = Math.min(count - 1, Math.max(0, index));
    selection.pick({ [axis]: to, ...follow?.(to) });
  };
  const at = () => Math.min(selection.value[axis] ?? 0, count - 1);
  const stop = () => { clearInterval(timer); timer = 0; text(play, "▶"); play.setAttribute("aria-label", "play"); };
  const step = (by) => { stop(); go(at() + by); };
  const tick = () => { if (at() >= count - 1 || document.hidden) stop(); else go(at() + 1); };
  const play = h("button", { type: "button", class: "at-button", "aria-label": "play", onclick: () => {
    if (timer) { stop(); return; }
    if (at() >= count - 1) go(0);
    timer = setInterval(tick, pace);
    text(play, "❚❚");
    play.setAttribute("aria-label", "pause");
  } }, "▶");
  const slider = h("input", { type: "range", id, min: 0, step: 1, value: 0, oninput: () => { stop(); go(Number(slider.value)); } });
  const words = h("span", { class: "at-num" });
  const el = h("div", { class: "at-scrub" },
    h("label", { for: id }, label), words,
    h("div", { class: "at-scrub-line" },
      h("button", { type: "button", class: "at-button", "aria-label": "previous step", onclick: () => step(-1) }, "◂"),
      play,
      h("button", { type: "button", class: "at-button", "aria-label": "next step", onclick: () => step(1) }, "▸"),
      slider));
  function choose() {
    slider.value = at();
    slider.setAttribute("aria-valuetext", say(at()));
    text(words, `${at() + 1} of ${count}`);
  }
  const off = selection.on(choose);
  return {
    el,
    toggle: () => play.click(),
    update: (n) => { count = n; attrs(slider, { max: Math.max(0, n - 1), disabled: n < 2 }); choose(); },
    destroy: () => { stop(); off(); },
  };
}
