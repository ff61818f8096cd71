// W16, its cost half: what attention costs as the text grows, by formula and measured in
// this browser, and what a cheaper attention loses on a given text.

import { h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { slider, step, switcher } from "../core/controls.js";
import { createSelection } from "../core/selection.js";
import { curve } from "../views/curve.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { goals, predict } from "../services/gate.js";

export const keys = [
  ["← →", "in a curve: another length; in a table of weights: another key; on a slider: less, more"],
  ["↑ ↓", "in a table of weights: another query"],
  ["1 – 5", "compare another method with full attention"],
  ["m", "measure here, or stop"],
];

const SLICE = 12; // ms of computing before the page may breathe
const LIMIT = 2000; // ms that a measurement may last

// ---- what it costs: the same formulas as in attnkit/live/cost.py -----------------------

/** Pairs of query and key within a window. */
export function pairs(n, window) {
  const side = Math.min(window, n - 1);
  return n * (2 * side + 1) - side * (side + 1);
}

/** Operations of one head: a product of (a, b) and (b, c) counts 2abc, softmax 5 a score. */
export function operations(method, n, d, window, rows) {
  const r = Math.min(rows, n);
  return {
    full: () => n * n * (4 * d + 5) + n * d,
    window: () => pairs(n, window) * (4 * d + 5) + n * d,
    linear: () => 4 * n * d * d + 9 * n * d,
    features: () => 8 * n * d * rows + 9 * n * rows + 7 * n * d,
    pooled: () => n * r * (4 * d + 5) + 3 * n * d,
    landmarks: () => n * r * (8 * d + 10) + r * r * (4 * d + 5) + r ** 3 + 4 * n * d,
  }[method]();
}

/** Numbers that stand between input and output at the same time. */
export function kept(method, n, d, window, rows) {
  const r = Math.min(rows, n);
  return {
    full: () => n * n,
    window: () => pairs(n, window),
    linear: () => 2 * n * d + d * (d + 1),
    features: () => 2 * n * rows + rows * (d + 1),
    pooled: () => n * r + 2 * r * d,
    landmarks: () => 2 * n * r + r * r + 3 * r * d,
  }[method]();
}

/** The least length at which a method takes fewer operations than full attention. */
export function crossing(method, d, window, rows, most = 32768) {
  for (let n = 2; n < most; n += 1) {
    if (operations(method, n, d, window, rows) < operations("full", n, d)) return n;
  }
  return null;
}

// ---- the text: numbers that Python draws alike -----------------------------------------

function uniform(seed, stream, place) {
  let x = Math.imul(place, 0x9e3779b1) + Math.imul(stream, 0x85ebca77) + Math.imul(seed, 0xc2b2ae3d);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (((x ^ (x >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}

const normal = (seed, stream, i) => Math.sqrt(-2 * Math.log(uniform(seed, stream, 2 * i))) * Math.cos(2 * Math.PI * uniform(seed, stream, 2 * i + 1));

function* normals(seed, stream, rows, d) {
  const out = new Float64Array(rows * d);
  for (let i = 0; i < out.length; i += 1) {
    out[i] = normal(seed, stream, i);
    if (i % d === 0) yield;
  }
  return out;
}

/** Query, key and value (n × d, row by row) of a text. */
export function* written({ pattern, sharpness, width: d }, n, seed) {
  const [key, query, value] = [yield* normals(seed, 0, n, d), yield* normals(seed, 1, n, d), yield* normals(seed, 2, n, d)];
  if (pattern !== "spread") {
    for (const x of [key, value]) for (let i = d; i < x.length; i += 1) x[i] = 0.8 * x[i - d] + 0.6 * x[i];
    for (let i = 0; i < query.length; i += 1) {
      const from = pattern === "near" ? i : (n - 1 - Math.floor(i / d)) * d + (i % d);
      query[i] = 0.8 * key[from] + 0.6 * query[i];
    }
  }
  return { query: query.map((x) => sharpness * x), key, value };
}

// ---- the methods, row by row; each row is a place where the page may breathe -----------

/** Softmax attention of queries to keys at most `side` places away. */
function* attend(q, k, v, d, e, side = Infinity) {
  const [n, m, root] = [q.length / d, k.length / d, Math.sqrt(d)];
  const out = new Float64Array(n * e);
  const scores = new Float64Array(m);
  for (let i = 0; i < n; i += 1) {
    const [from, to] = [Math.max(0, i - side), Math.min(m - 1, i + side)];
    let top = -Infinity;
    let total = 0;
    for (let j = from; j <= to; j += 1) {
      let sum = 0;
      for (let c = 0; c < d; c += 1) sum += q[i * d + c] * k[j * d + c];
      scores[j] = sum / root;
      if (scores[j] > top) top = scores[j];
    }
    for (let j = from; j <= to; j += 1) {
      scores[j] = Math.exp(scores[j] - top);
      total += scores[j];
      for (let c = 0; c < e; c += 1) out[i * e + c] += scores[j] * v[j * e + c];
    }
    for (let c = 0; c < e; c += 1) out[i * e + c] /= total;
    yield;
  }
  return out;
}

/** Attention through features: values are summed first, then asked. */
function* through(q, k, v, f, e) {
  const sums = new Float64Array(f * e);
  const ones = new Float64Array(f);
  const [n, m] = [q.length / f, k.length / f];
  for (let j = 0; j < m; j += 1) {
    for (let a = 0; a < f; a += 1) {
      const share = k[j * f + a];
      ones[a] += share;
      for (let c = 0; c < e; c += 1) sums[a * e + c] += share * v[j * e + c];
    }
    yield;
  }
  const out = new Float64Array(n * e);
  for (let i = 0; i < n; i += 1) {
    let total = 0;
    for (let a = 0; a < f; a += 1) {
      const share = q[i * f + a];
      total += share * ones[a];
      for (let c = 0; c < e; c += 1) out[i * e + c] += share * sums[a * e + c];
    }
    for (let c = 0; c < e; c += 1) out[i * e + c] /= total;
    yield;
  }
  return out;
}

const elu = (x) => x.map((value) => (value > 0 ? value + 1 : Math.exp(value)));

/** Random features of rows; what is taken off cancels: a query's own, one for all keys. */
function* features(x, directions, d, own) {
  const [n, r, root] = [x.length / d, directions.length / d, d ** 0.25];
  const out = new Float64Array(n * r);
  let most = -Infinity;
  for (let i = 0; i < n; i += 1) {
    let length = 0;
    for (let c = 0; c < d; c += 1) length += (x[i * d + c] / root) ** 2 / 2;
    let top = -Infinity;
    for (let a = 0; a < r; a += 1) {
      let sum = 0;
      for (let c = 0; c < d; c += 1) sum += x[i * d + c] * directions[a * d + c];
      out[i * r + a] = sum / root - length;
      top = Math.max(top, out[i * r + a]);
    }
    if (own) for (let a = 0; a < r; a += 1) out[i * r + a] -= top;
    most = Math.max(most, top);
    yield;
  }
  return out.map((power) => Math.exp(power - (own ? 0 : most)));
}

/** Means of `count` segments that cover all rows. */
function means(x, d, count) {
  const n = x.length / d;
  const out = new Float64Array(count * d);
  for (let s = 0; s < count; s += 1) {
    const [from, to] = [Math.floor((s * n) / count), Math.ceil(((s + 1) * n) / count)];
    for (let i = from; i < to; i += 1) for (let c = 0; c < d; c += 1) out[s * d + c] += x[i * d + c] / (to - from);
  }
  return out;
}

/** table⁻¹ right, for a table (L, L) and right (L, e): Gauss and Jordan; both are used up. */
function* solve(table, right, L, e) {
  const add = (x, size, to, from, factor) => { for (let c = 0; c < size; c += 1) x[to * size + c] -= factor * x[from * size + c]; };
  for (let i = 0; i < L; i += 1) {
    let best = i;
    for (let r = i + 1; r < L; r += 1) if (Math.abs(table[r * L + i]) > Math.abs(table[best * L + i])) best = r;
    for (const [x, size] of [[table, L], [right, e]]) {
      const row = x.slice(i * size, (i + 1) * size);
      x.copyWithin(i * size, best * size, (best + 1) * size);
      x.set(row, best * size);
    }
    const pivot = table[i * L + i];
    for (let c = 0; c < L; c += 1) table[i * L + c] /= pivot;
    for (let c = 0; c < e; c += 1) right[i * e + c] /= pivot;
    for (let r = 0; r < L; r += 1) {
      const factor = table[r * L + i];
      if (r === i || !factor) continue;
      add(table, L, r, i, factor);
      add(right, e, r, i, factor);
    }
    yield;
  }
  return right;
}

/** The identity (n, n): with it for values, contexts are the weights. */
const identity = (n) => new Float64Array(n * n).map((_, i) => Number(i % (n + 1) === 0));

/** What a method gives for query, key (n × d) and value (n × e). */
export function* contexts(method, { query, key, value }, { width: d, window, rows }, e, seed) {
  if (method === "full") return yield* attend(query, key, value, d, e);
  if (method === "window") return yield* attend(query, key, value, d, e, window);
  if (method === "linear") return yield* through(elu(query), elu(key), value, d, e);
  if (method === "features") {
    const directions = yield* normals(seed, 3, rows, d);
    return yield* through(yield* features(query, directions, d, true), yield* features(key, directions, d, false), value, rows, e);
  }
  const few = Math.min(rows, query.length / d);
  const fewKeys = means(key, d, few);
  if (method === "pooled") return yield* attend(query, fewKeys, means(value, e, few), d, e);
  const fewQueries = means(query, d, few);
  const read = yield* attend(fewQueries, key, value, d, e);
  const core = yield* attend(fewQueries, fewKeys, identity(few), d, few);
  return yield* attend(query, fewKeys, yield* solve(core, read, few, e), d, e);
}

const length = (x) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));

/** How far contexts are from the exact ones: [method][length]. */
export function* errors(state, { methods, sizes, seed }) {
  const found = methods.map(() => []);
  for (const n of sizes) {
    const rows = yield* written(state, n, seed);
    const exact = yield* contexts("full", rows, state, state.width, seed);
    for (let i = 0; i < methods.length; i += 1) {
      const cheap = i ? yield* contexts(methods[i][0], rows, state, state.width, seed) : exact;
      found[i].push(length(cheap.map((x, c) => x - exact[c])) / length(exact));
    }
  }
  return found;
}

/** All of a task at once. */
function whole(task) {
  for (;;) {
    const { done, value } = task.next();
    if (done) return value;
  }
}

/** The weights of a method for the first words of the text, as rows. */
export function weights(method, state, { shown: n, seed }) {
  const rows = { ...whole(written(state, n, seed)), value: identity(n) };
  const flat = whole(contexts(method, rows, state, n, seed));
  return Array.from({ length: n }, (_, i) => [...flat.slice(i * n, (i + 1) * n)]);
}

/** What is known without computing contexts: counts at this length, crossings, weights. */
export function forward(state, data) {
  const { length: n, width, window, rows } = state;
  const names = data.methods.map(([name]) => name);
  return {
    operations: names.map((name) => operations(name, n, width, window, rows)),
    kept: names.map((name) => kept(name, n, width, window, rows)),
    crossing: names.map((name) => (name === "full" ? null : crossing(name, width, window, rows))),
    exact: weights("full", state, data),
    cheap: weights(state.method, state, data),
  };
}

/** `forward` and the errors, without slices: for tests. */
export const everything = (state, data) => ({ ...forward(state, data), errors: whole(errors(state, data)) });

// ---- computing without holding up the page -----------------------------------------------

/** Run a task in slices; null if it is no longer wanted. ms: time that was computed. */
async function inSlices(task, wanted) {
  for (let ms = 0; ;) {
    const start = performance.now();
    let at;
    do at = task.next(); while (!at.done && performance.now() - start < SLICE);
    ms += performance.now() - start;
    if (at.done) return { value: at.value, ms };
    await new Promise((go) => setTimeout(go));
    if (!wanted()) return null;
  }
}

/** The mean of the quicker three quarters: something else may have come between. */
function usual(runs) {
  const quick = runs.sort((a, b) => a - b).slice(0, Math.ceil(0.75 * runs.length));
  return quick.reduce((a, b) => a + b, 0) / quick.length;
}

/** How long a method is tried that takes so many ms: three times, if it is quick. */
const tried = (ms) => (ms < 25 ? Math.max(5, 3 * ms) : Math.max(75, ms));

/** Milliseconds of every method at growing lengths, until the time is up; told as it goes. */
async function measure(state, { methods, choices, seed }, wanted, tell) {
  const start = performance.now();
  const spent = () => performance.now() - start;
  const found = { lengths: [], ms: methods.map(() => []) };
  let next = 0;
  for (const [turn, n] of [choices.length[1], ...choices.length.slice(1)].entries()) {
    if (spent() + next > LIMIT) break;
    const rows = await inSlices(written({ ...state, pattern: "spread" }, n, seed), wanted);
    const times = [];
    for (const [name] of methods) {
      const runs = [];
      for (let total = 0; total < 5 || (runs.length < 3 && total < 50);) {
        const run = rows && (await inSlices(contexts(name, rows.value, state, state.width, seed), wanted));
        if (!run || !wanted()) return;
        total += run.ms;
        runs.push(run.ms);
      }
      times.push(usual(runs));
      await new Promise((go) => setTimeout(go));
      if (!wanted()) return;
    }
    if (!turn) continue; // the first turn warms up
    found.lengths.push(n);
    found.ms.forEach((list, i) => list.push(times[i]));
    next = 1.5 * times.reduce((sum, ms, i) => sum + tried(ms * (i ? 2 : 4)), 0);
    tell({ ...found }, spent() / LIMIT);
  }
}

/** Where measured times cross: a length, 0 if before the first, null if not yet. */
export function crossed(lengths, full, other) {
  const ratio = full.map((ms, i) => Math.log(other[i] / ms));
  const at = ratio.length - [...ratio].reverse().findIndex((x) => x >= 0);
  if (at > ratio.length) return 0;
  if (at === ratio.length) return null;
  return lengths[at - 1] * (lengths[at] / lengths[at - 1]) ** (ratio[at - 1] / (ratio[at - 1] - ratio[at]));
}

// ---- the page --------------------------------------------------------------------------

/** 16 300 000 is "16.3 M", on one line. */
export function big(value) {
  const [unit, size] = [["\u00a0G", 1e9], ["\u00a0M", 1e6], ["\u00a0k", 1e3]].find(([, s]) => value >= s) ?? ["", 1];
  return `${Number((value / size).toPrecision(3))}${unit}`;
}

const words = (n) => n.toLocaleString("en");
const part = (error) => (error < 0.0005 ? "0 %" : error < 0.1 ? `${num(100 * error, 1)} %` : `${num(100 * error, 0)} %`);

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
    const times = facts.operations[0] / facts.operations[i];
    const more = `${num(times > 1 ? times : 1 / times, times > 0.1 && times < 10 ? 1 : 0)} times ${times > 1 ? "fewer" : "as many"}`;
    text(fact, `${names[i]}: ${cross ? `fewer operations than full attention from ${words(cross)} words on` : "never fewer operations than full attention"}. At ${words(now.length)} words: ${big(facts.operations[i])} in place of ${big(facts.operations[0])}, ${more}; ${big(facts.kept[i])} numbers kept in place of ${big(facts.kept[0])}.`);
  }
  function drawTimes(i) {
    text(button, timed.running ? "Stop" : "Measure here");
    bar.hidden = !timed.running;
    const last = timed.lengths.length - 1;
    if (last < 0) return text(time, timed.running ? "" : timed.key ? "Stopped before the first length was done." : "How long do these methods take in your browser? Two seconds will tell.");
    const met = crossed(timed.lengths, timed.ms[0], timed.ms[i]);
    const speed = (1000 * operations("full", timed.lengths[last], now.width)) / timed.ms[0][last];
    const when = met === null ? `is not faster up to ${words(timed.lengths[last])} words` : met ? `overtakes it at about ${words(Math.round(met))} words` : `is faster from the first length, ${timed.lengths[0]} words`;
    text(time, timed.running ? "" : `Measured in this browser: full attention over ${words(timed.lengths[last])} words takes ${num(timed.ms[0][last], 0)} ms, ${big(speed)} operations a second. ${names[i]} ${when}; the rings are its times, drawn at that speed.`);
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
      measured: { running: timed.running, lengths: timed.lengths, ms: timed.ms, crossing: met ?? null } }, speak ? fact.textContent : undefined);
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
    return { done: here && error < least, say: here ? `Its error there: ${part(error)}.` : "" };
  } });
  return [
    item("Words ask for what is near, at a sharpness of 1 or less: bring the window's error at 256 words below 25 %.", ({ pattern, method, sharpness }) => pattern === "near" && method === "window" && sharpness <= 1, 1, 256, 0.25),
    item("Find a text in which linear attention is off by less than 25 % at 256 words.", ({ method }) => method === "linear", 2, 256, 0.25),
    item("Let landmarks be exact at 128 words. What do they cost then?", ({ method }) => method === "landmarks", 5, 128, 1e-6),
  ];
}
