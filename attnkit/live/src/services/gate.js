// Gate: predict, then reveal; and goals that a widget checks while the reader plays.
// Neither ever blocks reading: the answer is one press away, with or without a guess.

import { h, text, uid } from "../core/dom.js";
import { num } from "../core/format.js";

/** The number that a reader wrote: "−1,5", "28%" (0.28, where the answer has no unit %). */
export function readNumber(words, unit = "") {
  const [, digits, percent] = words.normalize("NFKC").replace("−", "-").replace(",", ".").match(/^\s*(.*?)\s*(%?)\s*$/);
  if (digits === "") return NaN;
  return percent && unit.trim() !== "%" ? Number(digits) / 100 : Number(digits);
}

/**
 * Predict a number, then reveal it.
 * @param question words; unit: word after the number; hint: one sentence or null
 * @param answer function giving { value, tolerance, explain }
 * @param saved { guess, revealed } from the state; save(patch) keeps it
 * @returns { el, update(saved) }
 */
export function predict({ question, unit = "", answer, saved = {}, save = () => {}, reveal = null }) {
  const id = uid("guess");
  const input = h("input", { id, class: "at-input at-short", type: "text", inputmode: "decimal", autocomplete: "off", value: saved.guess ?? "" });
  const say = h("p", { class: "at-say", role: "status" });
  const button = h("button", { type: "submit", class: "at-button at-primary" }, "Reveal");
  const again = h("button", { type: "button", class: "at-button", onclick: () => show({ guess: "", revealed: false }, true) }, "Guess again");
  const more = h("div", { class: "at-reveal" }, ...(reveal ? [reveal] : []));
  const form = h("form", { class: "at-gate", onsubmit: (event) => {
    event.preventDefault();
    const guess = input.value.trim();
    if (guess && !Number.isFinite(readNumber(guess, unit))) {
      text(say, `“${guess}” is no number. Write one, or leave the field empty to see the answer.`);
      return;
    }
    show({ guess, revealed: true }, true);
  } }, h("label", { for: id }, question), h("span", { class: "at-gate-line" }, input, unit ? h("span", {}, unit) : null, button, again), say, more);

  function verdict(guess) {
    const { value, tolerance, explain, digits = 2 } = answer();
    const given = readNumber(guess, unit);
    const right = (number) => Number.isFinite(number) && Math.abs(number - value) <= tolerance;
    const share = !unit && Math.abs(value) <= 1 && right(given / 100); // 28 for 0.28
    const near = guess !== "" && (right(given) || share);
    const lead = guess === "" ? "Without a guess:" : !Number.isFinite(given) ? `“${guess}” is no number.`
      : right(given) ? "✓ Right." : near ? `✓ Right, as ${num(given, 0)} %.`
        : `Your guess ${num(given, digits)} is off by ${num(Math.abs(given - value), digits)}.`;
    return { near, words: `${lead} The answer is ${num(value, digits)}${unit ? ` ${unit}` : ""}. ${explain}` };
  }
  let last = saved.guess ?? "";
  function show(next, keep) {
    const open = Boolean(next.revealed);
    const guess = next.guess ?? "";
    const result = open ? verdict(guess) : null;
    if (guess !== last || open) input.value = guess; // else something may be half typed
    last = guess;
    text(say, result?.words ?? "");
    form.dataset.done = String(Boolean(result?.near));
    form.dataset.open = String(open);
    more.hidden = !open;
    again.hidden = !open;
    if (keep) save(next);
  }
  show(saved, false);
  return { el: form, update: (next) => show(next ?? {}, false) };
}

/**
 * Goals to reach by playing. Each is checked on every change; once reached it stays so.
 * @param items list of { title, check(arrays) → { done, say } }
 * @returns { el, update(arrays), done: boolean[] }
 */
export function goals(items, title = "Try it yourself") {
  const done = items.map(() => false);
  const rows = items.map((item) => {
    const row = { mark: h("span", { class: "at-mark", "aria-hidden": "true" }, "○"), say: h("span", { class: "at-goal-say" }), told: h("span", { class: "at-hidden", role: "status" }) };
    row.el = h("li", { class: "at-goal" }, row.mark, h("span", {}, h("span", {}, item.title), " ", row.say, row.told));
    return row;
  });
  const count = h("span", { class: "at-num" });
  const el = h("details", { class: "at-goals" }, h("summary", {}, title, " ", count), h("ol", {}, ...rows.map((row) => row.el)));
  function update(arrays) {
    items.forEach((item, i) => {
      const result = item.check(arrays);
      if (result.done && !done[i]) text(rows[i].told, `Done: ${item.title}`);
      done[i] ||= result.done;
      rows[i].el.dataset.done = String(done[i]);
      text(rows[i].mark, done[i] ? "✓" : "○");
      text(rows[i].say, result.say);
    });
    text(count, `${done.filter(Boolean).length} / ${items.length}`);
  }
  return { el, update, done };
}
