// FrameStrip: the frames of a clip in a row, each with its number on a chip filled by its
// weight, and the chosen one large beside them. Speaks one axis.

import { attrs, h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { paint } from "../core/colour.js";
import { roving, tabStop } from "../core/keys.js";
import { lockKey } from "../core/selection.js";

/** Put pixels (3 planes of size × size, 0 to 1) on a canvas of that size. */
export function putFrame(canvas, pixels, size) {
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(size, size);
  const area = size * size;
  for (let i = 0; i < area; i += 1) {
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = Math.round(255 * Math.min(1, Math.max(0, pixels[c * area + i])));
    image.data[4 * i + 3] = 255;
  }
  pen.putImageData(image, 0, 0);
}

/**
 * @param label what the frames are; axis: name of the axis; size: pixels of a side
 * @param follow (i) → what else is selected along with frame i
 * @returns { el, screen, update({ frames, weights, notes }), table }; frames[i] are pixels,
 *   notes[i] is a word that a frame carries ("blank", "marked")
 */
export function frameStrip({ label, axis, selection, size, follow = null }) {
  const list = h("div", { class: "at-film", role: "listbox", "aria-orientation": "horizontal", "aria-label": label });
  const big = h("canvas", { class: "at-screen-picture", width: size, height: size, "aria-hidden": "true" });
  const title = h("div", { class: "at-label at-num" });
  const screen = h("div", { class: "at-screen" }, big, title);
  const el = h("div", { class: "at-view" }, list);
  let items = [];
  let now = { frames: [] };
  const choice = (i) => ({ [axis]: i, ...follow?.(i) });
  roving(list, () => items.map(({ el: node }) => node), (i) => selection.pick(choice(i)));
  list.addEventListener("keydown", (event) => lockKey(event, selection));

  const make = (i) => {
    const canvas = h("canvas", { width: size, height: size, "aria-hidden": "true" });
    const chip = h("span", { class: "at-frame-chip at-chip", "aria-hidden": "true" }, i + 1);
    const node = h("div", { class: "at-frame", role: "option", onclick: () => { selection.pick(choice(i)); node.focus(); } }, canvas, chip);
    return { el: node, canvas, chip, shown: null };
  };
  const at = () => Math.min(selection.value[axis] ?? 0, now.frames.length - 1);
  function choose() {
    if (!now.frames.length) return;
    items.forEach(({ el: node }, i) => attrs(node, { "aria-selected": String(i === at()) }));
    tabStop(items.map(({ el: node }) => node), at());
    putFrame(big, now.frames[at()], size);
    const note = now.notes?.[at()];
    text(title, `Frame ${at() + 1}${note ? `, ${note}` : ""}`);
  }
  function update(next) {
    now = next;
    if (items.length !== next.frames.length) {
      items = next.frames.map((_, i) => make(i));
      list.replaceChildren(...items.map(({ el: node }) => node));
      list.style.setProperty("--n", next.frames.length);
    }
    items.forEach((item, i) => {
      const [weight, note] = [next.weights?.[i] ?? 0, next.notes?.[i] ?? ""];
      if (item.shown !== next.frames[i]) putFrame(item.canvas, next.frames[i], size);
      item.shown = next.frames[i];
      paint(item.chip, weight);
      attrs(item.el, { "data-note": note || null, "aria-label": [`frame ${i + 1}`, `weight ${num(weight)}`, note].filter(Boolean).join(", ") });
    });
    choose();
  }
  /** The table twin: what the weights are, frame by frame. */
  const table = () => ({
    caption: label,
    columns: ["frame", "weight", "note"],
    rows: now.frames.map((_, i) => [i + 1, now.weights?.[i] ?? "", now.notes?.[i] ?? ""]),
  });
  selection.on(choose);
  return { el, screen, update, table };
}
