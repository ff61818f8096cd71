// Controls that widgets share: a slider (linear or logarithmic), a switch between a few
// choices, the frame of one step.

import { attrs, h, text, uid } from "./dom.js";
import { num } from "./format.js";

/**
 * A labelled slider that shows its number.
 * @param low, high ends; log: equal factors per step; digits of the number
 * @returns { el, set(value) }
 */
export function slider({ label, low, high, log = false, digits = 2, steps = 200, oninput, stops = null }) {
  const id = uid("slide");
  const number = h("span", { class: "at-num" });
  const count = stops ? stops.length - 1 : steps;
  const toValue = (i) => (stops ? stops[i] : log ? low * (high / low) ** (i / count) : low + ((high - low) * i) / count);
  const toPlace = (v) => (stops ? stops.indexOf(v) : Math.round(count * (log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low))));
  const tidy = (v) => Number(v.toPrecision(4));
  const input = h("input", { type: "range", id, min: 0, max: count, step: 1, oninput: () => oninput(tidy(toValue(Number(input.value)))) });
  const el = h("div", { class: "at-slider" }, h("label", { for: id }, label), number, input);
  const set = (value) => {
    const place = Math.min(count, Math.max(0, toPlace(value)));
    if (Number(input.value) !== place) input.value = place;
    text(number, num(value, digits));
    attrs(input, { "aria-valuetext": num(value, digits) });
  };
  return { el, set };
}

/**
 * One of a few choices, as joined buttons (radio group).
 * @param options list of [name, words]
 * @returns { el, set(name) }
 */
export function switcher({ label, options, onpick }) {
  const group = uid("switch");
  const inputs = options.map(([name]) => h("input", { type: "radio", name: group, value: name, onchange: () => onpick(name) }));
  const el = h("fieldset", { class: "at-switch" }, h("legend", { class: "at-hidden" }, label),
    ...options.map(([, words], i) => h("label", {}, inputs[i], h("span", {}, words))));
  return { el, set: (name) => inputs.forEach((input) => { input.checked = input.value === name; }) };
}

/** A numbered step: "1 · Score" with its words and its views. */
export function step(number, title, words, ...views) {
  return h("section", { class: "at-step", "aria-label": title },
    h("div", { class: "at-head" }, number ? h("span", { class: "at-badge", "aria-hidden": "true" }, number) : null,
      h("b", {}, title), h("span", { class: "at-quiet" }, words)), ...views);
}
