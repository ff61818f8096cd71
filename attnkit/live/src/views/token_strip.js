// TokenStrip: tokens in a row, each filled by a weight. Speaks one axis. Its columns are
// equal, so a strip, the arcs below it and a second strip line up without measuring.

import { attrs, h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { paint } from "../core/colour.js";
import { roving, tabStop } from "../core/keys.js";
import { lockKey } from "../core/selection.js";

/**
 * @param label what the tokens are, e.g. "Source"
 * @param axis name of the axis
 * @param follow (i) → what else is selected along with token i, e.g. the peak of its row
 * @returns { el, update({ tokens, weights, notes }) }; notes[i] is a word that a token
 *   carries ("unknown", "forced", "changed"), shown by its border and spoken
 */
export function tokenStrip({ label, axis, selection, lang = null, follow = null }) {
  const list = h("div", { class: "at-strip", role: "listbox", "aria-orientation": "horizontal", "aria-label": label, lang });
  let chips = [];
  let now = { tokens: [] };
  const choice = (i) => ({ [axis]: i, ...follow?.(i) });
  const el = h("div", { class: "at-view" }, list);
  roving(list, () => chips, (i) => selection.pick(choice(i)));
  list.addEventListener("keydown", (event) => lockKey(event, selection));

  const makeChip = (i) => h("div", {
    class: "at-chip", role: "option",
    onclick: () => { selection.pick(choice(i)); chips[i].focus(); },
    onpointerenter: (event) => { if (event.pointerType === "mouse") selection.hover(choice(i)); },
  });
  function choose() {
    chips.forEach((chip, i) => attrs(chip, { "aria-selected": String(i === selection.value[axis]) }));
    tabStop(chips, Math.min(selection.value[axis] ?? 0, chips.length - 1));
  }
  function update(next) {
    now = next;
    if (chips.length !== next.tokens.length) {
      chips = next.tokens.map((_, i) => makeChip(i));
      list.replaceChildren(...chips);
      list.style.setProperty("--n", next.tokens.length);
    }
    chips.forEach((chip, i) => {
      const note = next.notes?.[i] ?? "";
      const weight = next.weights?.[i];
      text(chip, next.tokens[i]);
      paint(chip, weight ?? 0);
      chip.classList.toggle("at-long", next.tokens[i].length > (next.tokens.length > 24 ? 2 : 3));
      const spoken = [next.tokens[i], weight === undefined ? "" : `weight ${num(weight)}`, note];
      attrs(chip, { "aria-label": spoken.filter(Boolean).join(", "), "data-note": note || null });
    });
    choose();
  }
  /** The table twin of the strip. */
  const table = () => ({
    caption: label,
    columns: ["position", "token", "weight", "note"],
    rows: now.tokens.map((token, i) => [i + 1, token, now.weights?.[i] ?? "", now.notes?.[i] ?? ""]),
  });
  selection.on(choose);
  return { el, update, table };
}
