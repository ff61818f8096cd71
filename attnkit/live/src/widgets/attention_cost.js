// W16, its cost half: what attention costs as the text grows, by formula and measured in
// this browser, and what a cheaper attention loses on a given text. Its numbers stand in
// the folder of the same name.

import { h, text } from "../core/dom.js";
import { big, num } from "../core/format.js";
import { slider, step, switcher } from "../core/controls.js";
import { createSelection } from "../core/selection.js";
import { inSlices } from "../core/slices.js";
import { curve } from "../views/curve.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { goals, predict } from "../services/gate.js";
import { crossed, measure } from "./attention_cost/clock.js";
import { crossing, kept, operations } from "./attention_cost/formulas.js";
import { errors, forward } from "./attention_cost/numbers.js";

export const keys = [
  ["← →", "in a curve: another length; in a table of weights: another key; on a slider: less, more"],
  ["↑ ↓", "in a table of weights: another query"],
  ["1 – 5", "compare another method with full attention"],
  ["m", "measure here, or stop"],
];

const words = (n) => n.toLocaleString("en");
const part = (error) => (error > 9.99 ? "over 999\u00a0%" : `${num(100 * error, error >= 0.0005 && error < 0.1 ? 1 : 0)}\u00a0%`);

export function mount({ root, data, state, update, report }) {
  const { choices, methods, sizes, texts } = data;
  const names = methods.map(([, title]) => title);
  const index = (name) => methods.findIndex(([method]) => method === name);
  let now = state;
  let found = { key: null, errors: null, of: null }; // errors, and the settings they are of
  let timed = { key: null, running: false, lengths: [], ms: [] };
  let job = 0;
  const selection = createSelection({ length: choices.length.indexOf(state.length), method: index(state.method), size: sizes.length - 1, query: 0, key: 0 });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); draw(); };

  const stops = (name, label) => slider({ label, stops: choices[name], digits: 0, oninput: (value) => change({ [name]: value }) });
  const controls = { length: stops("length", "Length n"), width: stops("width", "Width d"), window: stops("window", "Window w"), rows: stops("rows", "Rows r") };
  const sharp = slider({ label: "Sharpness of the scores", low: data.sharpness[0], high: data.sharpness[1], steps: 24, log: true, oninput: (sharpness) => change({ sharpness }) });
  const ask = switcher({ label: "A word asks for what is", options: texts, onpick: (pattern) => change({ pattern }) });
  const picks = methods.slice(1).map(([name, title], i) => h("button", { type: "button", class: "at-pick", "data-series": i + 1, onclick: () => change({ method: name }) }, h("i", { class: "at-swatch" }), title));
  const legend = h("div", { class: "at-buttons", role: "group", "aria-label": "Compared with full attention" },
    h("span", { class: "at-pick", "data-series": 0 }, h("i", { class: "at-swatch" }), names[0]), ...picks);
  const what = h("p", { class: "at-small" });
  const fact = h("p", {});
  const shared = { seriesAxis: "method", names, selection };
  const lengths = { ...shared, xLabel: "length n", xAxis: "length", words: big };
  const work = curve({ ...lengths, label: "Operations of one head", yLabel: "operations", bottom: 1e3, top: 1e11, ticks: 4 });
  const memory = curve({ ...lengths, label: "Numbers kept at the same time", yLabel: "numbers", bottom: 1e2, top: 1e8, ticks: 3 });
  const off = curve({ ...shared, label: "Error of the contexts", xLabel: "length n", xAxis: "size", yLabel: "part of the exact context", words: part, top: 1.25, ticks: 5 });
  const button = h("button", { type: "button", class: "at-button at-primary", onclick: () => (timed.running ? stop() : start()) }, "Measure here");
  const bar = h("progress", { max: 1, value: 0, hidden: true, "aria-label": "Measuring" });
  const time = h("p", { role: "status" });
  const loss = h("p", {});
  const asked = h("p", { class: "at-small" });
  const places = Array.from({ length: data.shown }, (_, i) => `${i + 1}`);
  const heads = places.map((name, i) => ((i + 1) % 8 ? "" : name));
  const field = (label) => heatMatrix({ label, rowAxis: "query", colAxis: "key", selection, many: 0 });
  const [exact, cheap] = [field("Exact weights"), field("Weights of the cheaper method")];
  const title = h("span", {});
  const minus = h("p", { class: "at-small" });
  const gate = predict({
    question: "Vectors of 64 numbers, 64 random features: from how many words on do they take fewer operations than full attention?",
    saved: { guess: state.guess, revealed: state.revealed },
    answer: () => ({ value: crossing("features", 64, 0, 64), tolerance: 13, digits: 0,
      explain: "Full attention takes about 4 n² d. Random features take 4 n r d to be made, of queries and of keys, and 4 n r d to be used: fewer once n is above 2 r = 128. The small terms do the rest." }),
    save: (patch) => { now = { ...now, ...patch }; update(patch); } });
  const todo = goals(tasks(sizes));
  const box = h("div", { class: "at at-w16" },
    h("div", { class: "at-controls" }, ...Object.values(controls).map(({ el }) => el)),
    legend, what, fact,
    h("div", { class: "at-duo at-even" },
      step("", "What it costs", "by formula; rings: measured", work.el, h("div", { class: "at-buttons" }, button, bar), time),
      step("", "What it keeps", "of one head, by formula", memory.el, h("p", { class: "at-small" }, "Tiles (FlashAttention) take the operations of full attention, but keep one block of its table at a time.")),
      step("", "What it loses", `a text of at most ${sizes.at(-1)} words`, h("div", { class: "at-controls" }, ask.el, sharp.el), asked, off.el),
      h("section", { class: "at-step", "aria-label": "Weights" },
        h("div", { class: "at-head" }, h("b", {}, "Who reads whom"), h("span", { class: "at-quiet" }, `${data.shown} words; row: query, column: key`)),
        loss,
        h("div", { class: "at-pair" },
          h("div", { class: "at-square" }, h("div", { class: "at-label" }, "Full"), exact.el),
          h("div", { class: "at-square" }, h("div", { class: "at-label" }, title), cheap.el)), minus)),
    h("details", { class: "at-more" }, h("summary", {}, "Predict: from which length on?"), gate.el), todo.el);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=text], summary")) return;
    if (event.key === "m") button.click();
    else if (picks[event.key - 1]) picks[event.key - 1].click();
  });
  root.append(box);

  async function start() {
    const mine = (job += 1);
    const wanted = () => mine === job;
    timed = { key: sizesKey(), running: true, lengths: [], ms: [] };
    draw(false);
    await measure(now, data, wanted, (result, share) => {
      Object.assign(timed, result);
      bar.value = share;
      draw(false);
    });
    if (wanted()) stop();
  }
  function stop() {
    job += 1;
    timed.running = false;
    draw();
  }
  const sizesKey = () => [now.width, now.window, now.rows].join();

  /** Errors take some time: they come later, and the last ones stay till then. */
  async function findErrors() {
    const key = [sizesKey(), now.pattern, now.sharpness].join();
    if (key === found.key) return;
    found.key = key;
    await new Promise((go) => setTimeout(go));
    const wanted = () => key === found.key;
    const run = wanted() && (await inSlices(errors(now, data), wanted));
    if (!run) return;
    found = { key, errors: run.value, of: key };
    draw();
  }

  function drawCosts(facts, i) {
    const lines = (count) => methods.map(([name]) => ({ mean: choices.length.map((n) => count(name, n, now.width, now.window, now.rows)) }));
    const counts = lines(operations);
    const last = timed.lengths.length - 1;
    const place = (n) => choices.length.indexOf(n);
    if (last >= 0) {
      const scale = counts[0].mean[place(timed.lengths[last])] / timed.ms[0][last];
      counts.forEach((line, s) => { line.points = timed.lengths.map((n, t) => [place(n), timed.ms[s][t] * scale]); });
    }
    const cross = facts.crossing[i];
    const at = Math.log2(cross / choices.length[0]);
    const mark = cross && at >= 0 && at <= choices.length.length - 1 ? { place: at, words: `n = ${words(cross)}` } : null;
    work.update({ x: choices.length, series: counts, mark });
    memory.update({ x: choices.length, series: lines(kept) });
    const more = howMany(facts, i);
    text(fact, `${names[i]}: ${cross ? `fewer operations than full attention from ${words(cross)} words on` : "never fewer operations than full attention"}. At ${words(now.length)} words: ${big(facts.operations[i])} in place of ${big(facts.operations[0])}, ${more}; ${big(facts.kept[i])} numbers kept in place of ${big(facts.kept[0])}.`);
  }
  function howMany(facts, i) {
    const times = facts.operations[0] / facts.operations[i];
    return `${num(times > 1 ? times : 1 / times, times > 0.1 && times < 10 ? 1 : 0)} times ${times > 1 ? "fewer" : "as many"}`;
  }
  /** The state in one short sentence, for the readout: what is saved, and what is lost. */
  function told(facts, i, pending) {
    const lead = `${names[i]}, ${words(now.length)} words: ${howMany(facts, i)} operations`;
    return pending ? `${lead}.` : `${lead}; contexts at ${sizes.at(-1)} words off by ${part(found.errors[i].at(-1))}.`;
  }
  function drawTimes(i) {
    text(button, timed.running ? "Stop" : "Measure here");
    bar.hidden = !timed.running;
    const last = timed.lengths.length - 1;
    if (last < 0) return text(time, timed.running ? "" : timed.key ? "Stopped before the first length was done." : "How long do these methods take in your browser? Two seconds will tell.");
    const met = crossed(timed.lengths, timed.ms[0], timed.ms[i]);
    const speed = (1000 * operations("full", timed.lengths[last], now.width)) / timed.ms[0][last];
    const when = met === null ? `not faster up to ${words(timed.lengths[last])} words` : met ? `the faster one from about ${words(Math.round(met))} words on` : `faster from the first length, ${timed.lengths[0]} words`;
    text(time, timed.running ? "" : `Measured in this browser: full attention over ${words(timed.lengths[last])} words takes ${num(timed.ms[0][last], 0)} ms, ${big(speed)} operations a second. ${names[i]}: ${when}. The rings are the measured times, drawn at that speed.`);
    return met;
  }
  function drawLoss(facts, i) {
    const rows = (values) => ({ rows: places, cols: places, heads, sides: heads, values, top: Math.max(...facts.exact.flat()) });
    exact.update(rows(facts.exact));
    cheap.update(rows(facts.cheap));
    text(title, names[i]);
    const below = facts.cheap.flat().filter((w) => w < -0.0005).length;
    const all = { window: now.window >= data.shown - 1, pooled: now.rows >= data.shown, landmarks: now.rows >= data.shown }[now.method];
    text(minus, all ? `For ${data.shown} words this is everything: nothing is lost here. Choose ${now.method === "window" ? "a smaller window" : "fewer rows"}.`
      : below ? `${below} of its weights are below zero; they are drawn as zero.` : "");
    if (!found.errors) return;
    off.update({ x: sizes, series: found.errors.map((mean) => ({ mean })) });
    const size = selection.value.size;
    text(loss, `With the same queries, keys and values, contexts of ${names[i].toLowerCase()} at ${sizes[size]} words are off by ${part(found.errors[i][size])} of the exact ones.`);
  }
  function draw(speak = true) {
    const facts = forward(now, data);
    const i = index(now.method);
    const sized = sizesKey();
    if (timed.key && timed.key !== sized) {
      job += 1;
      timed = { key: null, running: false, lengths: [], ms: [] };
    }
    Object.entries(controls).forEach(([name, { set }]) => set(now[name]));
    sharp.set(now.sharpness);
    ask.set(now.pattern);
    picks.forEach((pick, p) => pick.setAttribute("aria-pressed", String(p + 1 === i)));
    text(what, methods[i][2]);
    text(asked, texts.find(([name]) => name === now.pattern)[2]);
    drawCosts(facts, i);
    const met = drawTimes(i);
    drawLoss(facts, i);
    selection.pick({ length: choices.length.indexOf(now.length), method: i });
    const pending = found.of !== [sized, now.pattern, now.sharpness].join();
    if (!pending) todo.update({ now, errors: found.errors });
    report({ ...facts, method: now.method, errors: found.errors, pending, goals: todo.done,
      measured: { running: timed.running, lengths: timed.lengths, ms: timed.ms, crossing: met ?? null } }, speak ? told(facts, i, pending) : undefined);
    findErrors();
  }
  selection.on(({ length: place, size }) => {
    if (choices.length[place] !== now.length) change({ length: choices.length[place] });
    else if (found.errors && size !== shownSize) { shownSize = size; draw(); }
  });
  let shownSize = selection.value.size;
  draw();
  return {
    set: (next) => { now = next; gate.update({ guess: now.guess, revealed: now.revealed }); draw(); },
    tables: () => [work.table(), memory.table(), ...(found.errors ? [off.table()] : []), exact.table(), cheap.table(), ...(timed.lengths.length ? [clock()] : [])],
    destroy() { job += 1; found.key = null; },
  };

  /** The table twin of the measured times. */
  function clock() {
    return { caption: "Milliseconds, measured in this browser", columns: ["length n", ...names],
      rows: timed.lengths.map((n, t) => [n, ...timed.ms.map((list) => list[t])]) };
  }
}

/** What to reach by playing. */
function tasks(sizes) {
  const item = (title, fits, of, size, least) => ({ title, check: ({ now, errors: found }) => {
    const error = found[of][sizes.indexOf(size)];
    const here = fits(now);
    return { done: here && error < least, say: here ? `The error there: ${part(error)}.` : "" };
  } });
  return [
    item("Words ask for what is near, at a sharpness of 1 or less: bring the window's error at 256 words below 25 %.", ({ pattern, method, sharpness }) => pattern === "near" && method === "window" && sharpness <= 1, 1, 256, 0.25),
    item("Find a text in which linear attention is off by less than 25 % at 256 words.", ({ method }) => method === "linear", 2, 256, 0.25),
    item("Let landmarks be exact at 128 words. What do they cost then?", ({ method }) => method === "landmarks", 5, 128, 1e-6),
  ];
}
