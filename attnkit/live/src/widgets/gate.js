// Gate alone: predict a number, then reveal it. It never blocks reading.

import { h } from "../core/dom.js";
import { num } from "../core/format.js";
import { predict } from "../services/gate.js";

export const keys = [["Enter", "reveal the answer"]];

export function mount({ root, data, state, update, report }) {
  const tell = (now) => report({ guess: now.guess, revealed: now.revealed, answer: data.answer },
    now.revealed ? `The answer is ${num(data.answer, data.digits)}${data.unit ? ` ${data.unit}` : ""}.` : undefined);
  const gate = predict({
    question: data.question, unit: data.unit, saved: state,
    answer: () => ({ value: data.answer, tolerance: data.tolerance, digits: data.digits, explain: data.explain }),
    save: (patch) => { update(patch); tell({ ...state, ...patch }); },
  });
  root.append(h("div", { class: "at" }, gate.el));
  tell(state);
  return { set: (next) => { gate.update(next); tell(next); }, destroy() {} };
}
