// W6 in frame form: word → frame. The trained captioner runs in the page (its exported
// graph) on the pixels of a clip; blank a frame and it writes again.

import { load } from "../graph.js";
import { h, text } from "../core/dom.js";
import { num, percent } from "../core/format.js";
import { argmax, entropy } from "../core/maths.js";
import { greedy } from "../core/decode.js";
import { createSelection } from "../core/selection.js";
import { curve } from "../views/curve.js";
import { frameStrip } from "../views/frame_strip.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { tokenStrip } from "../views/token_strip.js";
import { goals, predict } from "../services/gate.js";
import { scrubber } from "../services/scrubber.js";

export const keys = [
  ["Space", "play the clip, pause"],
  ["← →", "frame (in the film), word (in the caption)"],
  ["↑ ↓", "word (in the matrix)"],
  ["b", "blank the frame, or bring it back"],
  ["Home End", "ends of the row (with Ctrl: of the matrix)"],
  ["Enter, Esc", "hold the selection, let it go"],
];

/** Bytes of a clip as one list of pixels per frame, from 0 to 1. */
export function pictures(clip, frames, size) {
  const bytes = Uint8Array.from(atob(clip), (letter) => letter.charCodeAt(0));
  const area = 3 * size * size;
  return Array.from({ length: frames }, (_, t) => Float32Array.from(bytes.subarray(t * area, (t + 1) * area), (v) => v / 255));
}

/** The model's two graphs as `greedy` wants them: its source is the list of frames. */
export function captioner({ encode, step }, size) {
  const one = (value) => ({ data: Float32Array.of(value), shape: [1] });
  return {
    encode(frames) {
      const data = new Float32Array(frames.length * 3 * size * size);
      frames.forEach((frame, t) => data.set(frame, t * frame.length));
      return encode({ frames: { data, shape: [1, frames.length, 3, size, size] } });
    },
    step(token, carry) {
      const { logits, weights, ...state } = step({ ...carry, token: one(token) });
      return { logits: Array.from(logits.data), weights: Array.from(weights.data), carry: { ...carry, ...state } };
    },
  };
}

/**
 * What it means that blank frames changed no word. Three things may be true of them: they
 * show nothing that was told, other frames show it too, or nothing is left that shows it.
 */
export function untouched(blank, truth, words) {
  const told = truth.map((frames, i) => ({ word: words[i], frames })).filter(({ frames }) => frames.some((t) => blank.includes(t)));
  const names = (list) => [...new Set(list.map(({ word }) => word))].join(", ");
  if (!told.length) return "The caption stays the same: no word is shown by what you blanked.";
  const lost = told.filter(({ frames }) => frames.every((t) => blank.includes(t)));
  if (!lost.length) return `The caption stays the same: another frame still shows ${names(told)}.`;
  return `The caption stays the same, though no frame is left that shows ${names(lost)}.`;
}

/** Places at which two captions differ. */
export const differing = (a, b) => Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).filter((i) => a[i] !== b[i]);

export function mount({ root, data, state, update, report, kernel }) {
  const model = data.model ? captioner(load(data.model), data.size) : null;
  const films = data.clips.map((clip) => pictures(clip.frames, data.frames, data.size));
  const empty = new Float32Array(3 * data.size * data.size).fill(data.background);
  const notes = new Map(); // what was written for which blanks: { tokens, weights, logits }
  let now = state;
  let shown = null;
  const selection = createSelection({ word: state.word, frame: state.frame, measure: 0 });
  const peak = (word) => (shown ? { frame: argmax(shown.used.weights[word]) } : {});
  const change = (patch) => { now = { ...now, ...patch }; update(patch); refresh(); };
  const symbol = (id) => (id === data.eos ? "⟨end⟩" : data.symbols[id]);

  const film = frameStrip({ label: "Frames of the clip; the chip is filled by the weight of the word", axis: "frame", selection, size: data.size });
  const caption = tokenStrip({ label: "Caption; filled by the weight on the chosen frame", axis: "word", selection, follow: peak });
  const matrix = heatMatrix({ label: "Attention weights, one row per word", rowAxis: "word", colAxis: "frame", selection });
  const scrub = scrubber({ label: "Frame", axis: "frame", selection, pace: 500, say: (i) => `frame ${i + 1}` });
  const flat = curve({ label: "How spread each word’s look is: entropy in nats", xLabel: "word", yLabel: "nats", xAxis: "word", seriesAxis: "measure", names: ["entropy"], top: 3, ticks: 3, selection });
  const own = tokenStrip({ label: "Caption of the whole clip", axis: "old", selection: createSelection({ old: null }) });
  const said = h("p", { class: "at-small" });
  const diff = h("div", { class: "at-diff" }, h("div", { class: "at-label" }, "With all frames the model writes"), own.el, said);
  const notice = h("p", { class: "at-notice", role: "status" });
  const blank = h("button", { type: "button", class: "at-button", onclick: () => toggle() }, "Blank this frame");
  const back = h("button", { type: "button", class: "at-button", onclick: () => change({ blank: [] }) }, "Bring all back");
  const next = h("button", { type: "button", class: "at-button", onclick: () => change({ clip: (now.clip + 1) % data.clips.length, blank: [], frame: 0, word: 0 }) }, "Another clip");
  const gate = data.mark === null ? null : predict({
    question: `Frame ${data.mark + 1} of the first clip is marked. If it were blank, which word would change? Count from 1; 0 means none.`,
    saved: { guess: state.guess, revealed: state.revealed }, answer: verdict,
    save: (patch) => { now = { ...now, ...patch }; update(patch); } });
  const todo = goals(tasks());
  const legend = h("p", { class: "at-small" }, h("span", { class: "at-truth-key", "aria-hidden": "true" }), " true frames of the word.");
  const asked = gate ? h("details", { class: "at-more" }, h("summary", {}, "Predict: a frame goes blank"), gate.el) : null;
  const live = h("div", { class: "at-live" },
    h("div", { class: "at-cinema" }, film.screen, h("div", { class: "at-live" }, film.el, scrub.el, h("div", { class: "at-buttons" }, blank, back, data.clips.length > 1 ? next : null))),
    caption.el, diff,
    h("div", { class: "at-duo" },
      h("section", { class: "at-step", "aria-label": "Attention weights" },
        h("div", { class: "at-head" }, h("b", {}, "Attention"), h("span", { class: "at-quiet" }, "row: word, column: frame")), matrix.el, legend),
      h("section", { class: "at-step", "aria-label": "Entropy of each word" }, flat.el)));
  const box = h("div", { class: "at at-w6f" }, notice, live, asked, todo.el);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button, input, summary, textarea")) return;
    if (event.key === " ") scrub.toggle();
    else if (event.key === "b") toggle();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  root.append(box);

  function toggle() {
    const frame = selection.value.frame;
    const rest = now.blank.filter((t) => t !== frame);
    change({ frame, word: selection.value.word, blank: rest.length < now.blank.length ? rest : [...rest, frame].sort((a, b) => a - b) });
  }
  const screen = (clip, blanks) => films[clip].map((frame, t) => (blanks.includes(t) ? empty : frame));
  /** What the model writes for a clip with some frames blank; each is computed once. */
  function written(clip, blanks) {
    const key = `${clip}:${blanks}`;
    if (!notes.has(key)) notes.set(key, greedy(model, screen(clip, blanks), data));
    return notes.get(key);
  }
  function verdict() {
    if (!model) return { value: 0, tolerance: 0.1, digits: 0, explain: "The page cannot run this model by itself." };
    const [whole, without] = [written(0, []), written(0, [data.mark])];
    const at = differing(whole.tokens, without.tokens);
    const then = without.tokens.filter((id) => id !== data.eos).map(symbol).join(" ");
    return { value: at.length ? at[0] + 1 : 0, tolerance: 0.1, digits: 0,
      explain: at.length ? `Without the frame the model writes “${then}”.` : untouched([data.mark], data.clips[0].truth, data.clips[0].target) };
  }
  function refresh() {
    if (model) { show(written(now.clip, []), written(now.clip, now.blank)); return; }
    viaKernel();
  }
  /** No graph in the page: the same numbers from Python, where a kernel answers. */
  async function viaKernel() {
    if (!(await kernel.ready)) { rest(`${data.reason} No Python kernel answers here, so this widget rests; the picture below the page’s text shows its first state.`); return; }
    const answer = await kernel.call("write", { clip: now.clip, blank: now.blank }).catch((error) => error);
    if (answer instanceof Error) rest(`Python did not answer: ${answer.message}`);
    else show(answer.free, answer.used);
  }
  function rest(words) {
    live.hidden = true;
    text(notice, words);
    report({ tokens: [], weights: [], logits: [] }, words);
  }
  function show(free, used) {
    const clip = data.clips[now.clip];
    const words = used.tokens.map(symbol);
    const right = used.tokens.filter((id) => id !== data.eos).map(symbol).join(" ") === clip.target.join(" ");
    const changed = differing(used.tokens, free.tokens);
    shown = { clip, words, free, used, changed, frames: screen(now.clip, now.blank), entropy: used.weights.map(entropy), right };
    live.hidden = false;
    matrix.update({ rows: words, cols: films[now.clip].map((_, t) => `${t + 1}`), values: used.weights, marks: words.map((_, i) => (now.blank.length ? [] : clip.truth[i] ?? [])) });
    flat.update({ x: words, series: [{ mean: shown.entropy }] });
    scrub.update(data.frames);
    back.disabled = !now.blank.length;
    legend.hidden = Boolean(now.blank.length); // other words may stand in the rows
    if (asked) asked.hidden = now.clip !== 0;
    diff.hidden = !now.blank.length;
    if (now.blank.length) {
      own.update({ tokens: free.tokens.map(symbol), notes: free.tokens.map((_, i) => (changed.includes(i) ? "changed" : "")) });
      text(said, changed.length ? `Blanking frame ${now.blank.map((t) => t + 1).join(", ")} changed ${changed.length} of ${Math.max(words.length, free.tokens.length)} words.` : untouched(now.blank, clip.truth, clip.target));
    }
    const word = Math.min(now.word, words.length - 1);
    selection.pick({ word, frame: Math.min(now.frame, data.frames - 1) });
    choose(true);
  }
  /** What hangs on the chosen word and frame. */
  function choose(speak) {
    if (!shown) return;
    const { words, used } = shown;
    const word = Math.min(selection.value.word, words.length - 1);
    const { frame } = selection.value;
    const marked = (t) => (t === data.mark && now.clip === 0 ? "marked" : "");
    film.update({ frames: shown.frames, weights: used.weights[word], notes: shown.frames.map((_, t) => (now.blank.includes(t) ? "blank" : marked(t))) });
    caption.update({ tokens: words, weights: used.weights.map((row) => row[frame]), notes: words.map((_, i) => (shown.changed.includes(i) ? "changed" : "")) });
    text(blank, now.blank.includes(frame) ? "Bring this frame back" : "Blank this frame");
    todo.update({ ...shown, word, blank: now.blank });
    const six = (row) => row.map((x) => Math.round(1e6 * x) / 1e6);
    report({ tokens: used.tokens, output: words, weights: used.weights.map(six), logits: used.logits.map(six), entropy: six(shown.entropy),
      free: shown.free.tokens, blank: now.blank, word, frame, changed: shown.changed, goals: todo.done },
    speak ? `${words.filter((w) => w !== "⟨end⟩").join(" ")}. Word ${word + 1}, ${words[word]}, looks at frame ${argmax(used.weights[word]) + 1} with ${percent(Math.max(...used.weights[word]))}; on frame ${frame + 1} it has ${num(used.weights[word][frame])}.` : undefined);
  }
  selection.on(({ word, frame }) => {
    if (shown && (word !== now.word || frame !== now.frame)) { now = { ...now, word, frame }; update({ word, frame }); }
    choose(true);
  });
  refresh();
  return {
    set: (next_) => { now = next_; gate?.update({ guess: now.guess, revealed: now.revealed }); refresh(); },
    tables: () => (shown ? [matrix.table(), film.table(), flat.table()] : []),
    destroy: scrub.destroy,
  };
}

/** What to reach by playing with the model. */
function tasks() {
  return [
    { title: "Blank one frame so that exactly one word changes.",
      check: ({ blank, changed, words }) => ({ done: blank.length === 1 && changed.length === 1, say: blank.length === 1 && changed.length === 1 ? `Word ${changed[0] + 1} is now ${words[changed[0]] ?? "gone"}.` : "" }) },
    { title: "Blank frames until one of the events is missing from the caption.",
      check: ({ used, free, blank }) => ({ done: blank.length > 0 && used.tokens.length < free.tokens.length, say: used.tokens.length < free.tokens.length ? `${used.tokens.length} words in place of ${free.tokens.length}.` : "" }) },
    { title: "Choose the word whose look is spread the most.",
      check: ({ word, entropy: all }) => { const done = word > 0 && argmax(all) === word; return { done, say: done ? `${num(all[word])} nats.` : "" }; } },
  ];
}
