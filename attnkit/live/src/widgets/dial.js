// A number on a slider: the smallest widget, and the pattern of all others.

import { h } from "../dom.js";

/** Height in px that is kept free before the widget is drawn, by width. */
export const height = () => 56;

export const keys = [["← →", "change the number by one step"]];

/** Closed form, pure: what the page shows for a state. */
export const forward = (state) => ({ value: state.value, square: state.value ** 2 });

export function mount({ root, data, state, update, report }) {
  const { label = "value", min = 0, max = 10, step = 1 } = data;
  const number = h("b", { class: "number" });
  const slider = h("input", { type: "range", min, max, step, "aria-label": label });
  slider.addEventListener("input", () => set(update({ value: Number(slider.value) })));
  root.append(h("label", { class: "dial" }, `${label} `, slider, " ", number));

  function set(next) {
    const { value, square } = forward(next);
    slider.value = value;
    number.textContent = `${value}² = ${square}`;
    report({ value, square }, `${label} is ${value}, its square ${square}.`);
  }

  set(state);
  return {
    set,
    tables: () => [{ caption: label, columns: ["number", "square"], rows: [Object.values(forward({ value: Number(slider.value) }))] }],
    destroy() {},
  };
}
