// W7: self-attention explorer. A trained two-layer language model runs in the page on the
// reader's text; its mask and the gates of its heads are inputs of the graph.

import { load } from "../graph.js";
import { h, text } from "../core/dom.js";
import { num, percent } from "../core/format.js";
import { argmax, dot, softmax } from "../core/maths.js";
import { switcher } from "../core/controls.js";
import { createSelection } from "../core/selection.js";
import { barRow } from "../views/bar_row.js";
import { headGrid } from "../views/head_grid.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { tokenStrip } from "../views/token_strip.js";
import { equation } from "../services/equation.js";
import { goals } from "../services/gate.js";

export const keys = [
  ["h l", "next head, next layer"],
  ["x", "silence the head, let it speak"],
  ["m", "mask the cell, unmask it"],
  ["← → ↑ ↓", "another head (in the pictures), another cell (in the matrix)"],
  ["Home End", "ends of the row (with Ctrl: of the matrix)"],
  ["Enter, Esc", "hold the selection, let it go"],
];
const PRESETS = [["causal", "Causal"], ["full", "Full"], ["local", "Local"], ["padding", "Padding"]];
const SAYS = { causal: () => "", full: () => " (full: nothing)", local: (near) => ` (local: all but itself and the ${near - 1} before)`, padding: () => " (padding: the last quarter, as if it were filler)" };
const KINDS = ["one back", "induction", "same letter"];
const range = (n) => Array.from({ length: n }, (_, i) => i);
const mean = (list) => (list.length ? list.reduce((a, b) => a + b, 0) / list.length : null);

/** The known symbols of a text, without capitals and accents; the same as in Python. */
export function read(line, data) {
  const plain = [...line.normalize("NFKD").toLowerCase()];
  const found = plain.filter((c) => data.symbols.includes(c));
  const lost = [...new Set(plain.filter((c) => !data.symbols.includes(c) && !/[\p{M}\s]/u.test(c)))];
  const letters = found.slice(0, data.size);
  return { letters, ids: letters.map((c) => data.symbols.indexOf(c)), cut: found.length - letters.length, lost };
}

/** Who may see whom, rows of 0 and 1: a mask by its name. */
export function preset(name, n, window) {
  const may = {
    causal: (i, j) => j <= i, full: () => true, padding: (i, j) => j < n - Math.floor(n / 4),
    local: (i, j) => j <= i && j > i - window,
  }[name];
  return range(n).map((i) => range(n).map((j) => Number(may(i, j))));
}

/** The preset with the edited cells turned; a cell is row × size + column. */
export function maskOf(name, cells, n, window, size) {
  const mask = preset(name, n, window);
  cells.forEach((cell) => {
    const [row, col] = [Math.floor(cell / size), cell % size];
    if (row < n && col < n) mask[row][col] = 1 - mask[row][col];
  });
  return mask;
}

/** For each token the place after its last earlier copy; −1 where it has none. */
export const successors = (ids) => ids.map((id, i) => { const last = ids.slice(0, i).lastIndexOf(id); return last < 0 ? -1 : last + 1; });

/** Where to look first: at the last token whose next letter an earlier copy tells. */
export function start(ids) {
  const source = successors(ids);
  const known = range(ids.length).filter((i) => source[i] >= 0);
  const query = known.findLast((i) => ids[i + 1] === ids[source[i]]) ?? known.at(-1) ?? 0;
  return { query, key: Math.max(source[query] ?? 0, 0) };
}

/** Mean weight of one head on the three kinds of places; NaN where there are none. */
export function shares(weights, ids) {
  const copies = ids.map((id, i) => range(i).filter((j) => ids[j] === id));
  const places = [ids.map((_, i) => (i ? [i - 1] : [])), copies.map((list) => list.map((j) => j + 1)), copies];
  return places.map((rows) => mean(rows.flatMap((list, i) => (list.length ? [list.reduce((sum, j) => sum + weights[i][j], 0)] : []))) ?? NaN);
}

/** Mean probability of the true next letter, after letters seen before and after new ones. */
export function sure(odds, ids) {
  const told = successors(ids);
  const at = (which) => mean(range(ids.length - 1).filter((i) => (told[i] >= 0) === which).map((i) => odds[i][ids[i + 1]]));
  return [at(true), at(false)];
}

/** All numbers of one text: `run` is the model's graph. */
export function forward(run, ids, mask, silent, data) {
  const { size, layers, heads } = data;
  const n = ids.length;
  const flat = new Float32Array(size * size);
  mask.forEach((row, i) => row.forEach((may, j) => { flat[i * size + j] = may; }));
  const gates = Float32Array.from({ length: layers * heads }, (_, i) => Number(!silent.includes(i)));
  const out = run({ ids: Float32Array.from({ length: size }, (_, i) => ids[i] ?? 0), mask: flat, gates });
  const rows = ({ data: from, shape }, cols) => range(layers).map((l) => range(heads).map((k) => range(n).map((i) => {
    const start = ((l * heads + k) * size + i) * shape[3];
    return Array.from(from.slice(start, start + cols));
  })));
  const width = out.query.shape[3];
  const count = data.symbols.length;
  const logits = range(n).map((i) => Array.from(out.logits.data.slice(i * count, (i + 1) * count)));
  return { logits, odds: logits.map(softmax), scores: rows(out.scores, n), weights: rows(out.weights, n),
    query: rows(out.query, width), key: rows(out.key, width), value: rows(out.value, width) };
}

export function mount({ root, data, state, update, report }) {
  const { run } = load(data.model);
  const { size, layers, heads, window: near } = data;
  let now = state;
  let shown = null;
  let turn = 0;
  const selection = createSelection({ layer: state.layer, head: state.head, query: state.query, key: state.key, letter: 0 });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); refresh(); };
  const retype = (line) => change({ text: line, cells: [], ...start(read(line, data).ids) });
  const button = (words, act, kind = "") => h("button", { type: "button", class: `at-button ${kind}`, onclick: act }, words);

  const field = h("input", { class: "at-input at-wide", type: "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-label": `Text to read, up to ${size} letters`, value: state.text,
    oninput: (event) => { if (!event.isComposing) retype(field.value); } });
  field.addEventListener("compositionend", () => retype(field.value));
  const next = button("Another example", () => { turn = (turn + 1) % data.examples.length; retype(data.examples[turn]); });
  const notice = h("p", { class: "at-notice", role: "status" });
  const strip = tokenStrip({ label: "Tokens; the chosen one looks, filled: what it reads", axis: "query", selection, follow: (i) => ({ key: shown ? argmax(weightsOf()[i]) : 0 }) });
  const grid = headGrid({ label: "Heads: a row for each layer", layers, heads, selection });
  const role = h("p", { class: "at-say" });
  const silence = button("Silence this head", () => gate(index()), "at-primary");
  const wake = button("Let all heads speak", () => change({ silent: [] }));
  const hidden = h("span", {});
  const masks = switcher({ label: "Mask", options: PRESETS, onpick: (name) => change({ preset: name, cells: [] }) });
  const edit = button("Mask this cell", () => toggle());
  const clear = button("Undo my cells", () => change({ cells: [] }));
  const matrix = heatMatrix({ label: "Weights of the head: a row looks, a column is seen", rowAxis: "query", colAxis: "key", selection });
  const terms = equation({ label: "One cell in numbers", selection });
  const bars = barRow({ label: "Next letter after the chosen token", axis: "letter", selection, baselineName: "causal, all heads" });
  const copy = h("p", { class: "at-say" });
  const leak = h("p", { class: "at-small" });
  const todo = goals(tasks(data));
  const live = h("div", { class: "at-live" },
    h("div", {}, h("div", { class: "at-label" }, "Tokens: choose the one that looks; filled: what it reads"), strip.el),
    h("div", { class: "at-duo" },
      h("section", { class: "at-step", "aria-label": "Heads" },
        h("div", { class: "at-head" }, h("b", {}, "Heads"), h("span", { class: "at-quiet" }, "a row for each layer; the word: where more than half of the weight lies")),
        grid.el, role, h("div", { class: "at-buttons" }, silence, wake),
        bars.el, copy, leak),
      h("section", { class: "at-step", "aria-label": "Weights and mask" },
        h("div", { class: "at-head" }, h("b", {}, "Weights"), h("span", { class: "at-quiet" }, "a row looks, a column is seen; hatched: masked", hidden)),
        matrix.el, h("div", { class: "at-buttons" }, masks.el, edit, clear), terms.el)));
  const box = h("div", { class: "at at-w7" }, h("div", { class: "at-controls at-ask" }, field, next), notice, live, todo.el);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input[type="text"], summary') || !shown) return;
    const { layer, head } = selection.value;
    const act = { h: () => selection.pick({ head: (head + 1) % heads }), l: () => selection.pick({ layer: (layer + 1) % layers }),
      x: () => gate(index()), m: () => toggle() }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  });
  root.append(box);

  const index = () => selection.value.layer * heads + selection.value.head;
  const weightsOf = () => shown.used.weights[selection.value.layer][selection.value.head];
  const flip = (list, item) => (list.includes(item) ? list.filter((other) => other !== item) : [...list, item].sort((a, b) => a - b));
  const gate = (which) => change({ silent: flip(now.silent, which) });
  const toggle = () => { const { row, col } = cell(); change({ cells: flip(now.cells, row * size + col) }); };
  function cell() {
    const last = shown.input.ids.length - 1;
    return { row: Math.min(selection.value.query, last), col: Math.min(selection.value.key, last) };
  }
  const name = (l, k) => `${l + 1}.${k + 1}`;

  function refresh() {
    const input = read(now.text, data);
    if (field.value !== now.text) field.value = now.text;
    masks.set(now.preset);
    text(hidden, SAYS[now.preset](near));
    const known = `${data.symbols[0]} to ${data.symbols.at(-1)}`;
    const told = [input.lost.length ? `Left out, as the model knows only ${known}: ${input.lost.slice(0, 8).join(" ")}${input.lost.length > 8 ? " …" : ""}.` : "",
      input.cut ? `Only the first ${size} letters are read; ${input.cut} left out.` : "",
      input.ids.length ? "" : `Type at least one letter from ${known}.`];
    text(notice, told.filter(Boolean).join(" "));
    live.hidden = !input.ids.length;
    if (!input.ids.length) {
      shown = null;
      report({ ids: [], weights: [], logits: [] }, notice.textContent);
      return;
    }
    const n = input.ids.length;
    const mask = maskOf(now.preset, now.cells, n, near, size);
    const same = shown?.input.ids.join() === input.ids.join() ? shown : null;
    const free = same?.free ?? forward(run, input.ids, preset("causal", n, near), [], data);
    const plain = now.preset === "causal" && !now.cells.length && !now.silent.length;
    const used = plain ? free : forward(run, input.ids, mask, now.silent, data);
    shown = { input, mask, free, used, plain, source: successors(input.ids),
      shares: used.weights.map((layer) => layer.map((rows) => shares(rows, input.ids))),
      sure: sure(used.odds, input.ids), sureFree: sure(free.odds, input.ids) };
    const { layer, head, query, key } = now;
    selection.pick({ layer, head, query: Math.min(query, n - 1), key: Math.min(key, n - 1) });
    draw(true);
  }

  function draw(speak) {
    if (!shown) return;
    const { input, mask, used, free } = shown;
    const { layer, head } = selection.value;
    const { row, col } = cell();
    const weights = weightsOf();
    const names = input.letters.map((letter, i) => `${i + 1} ${letter}`);
    const words = shown.shares.map((list) => list.map((three) => { const best = argmax(three.map((x) => (x > 0 ? x : 0))); return three[best] >= 0.5 ? KINDS[best] : ""; }));
    const silent = range(layers).map((l) => range(heads).map((k) => now.silent.includes(l * heads + k)));
    grid.update({ weights: used.weights, words, silent });
    strip.update({ tokens: input.letters, weights: weights[row], notes: input.letters.map((_, i) => (i === row ? "looks" : "")) });
    matrix.update({ rows: names, cols: names, heads: input.letters, sides: input.letters, values: weights, allowed: mask });
    const [back, ahead, alike] = shown.shares[layer][head];
    const even = shares(mask.map((list) => { const count = list.reduce((a, b) => a + b, 0); return list.map((may) => (count ? may / count : 0)); }), input.ids);
    const told = [[back, "one token back"], [ahead, "on what followed earlier copies of the letter"], [alike, "on these copies"]]
      .map(([share, where], i) => (Number.isFinite(share) ? `${num(share)} ${where} (even weights: ${num(even[i])})` : "")).filter(Boolean);
    text(role, `Head ${name(layer, head)}: ${told.length ? `of its weight ${told.join(", ")}` : "on a text of one letter it can only look at itself"}.`);
    text(silence, silent[layer][head] ? "Let this head speak" : "Silence this head");
    wake.disabled = !now.silent.length;
    text(edit, mask[row][col] ? "Mask this cell" : "Unmask this cell");
    clear.disabled = !now.cells.length;
    terms.update(lines(row, col, layer, head));
    nextLetters(row);
    todo.update({ ...shown, now, layer, head, row });
    send(row, col, speak);
  }
  function lines(i, j, layer, head) {
    const { used, mask, input } = shown;
    const pickOf = (part) => used[part][layer][head];
    const [q, k, v] = [pickOf("query")[i], pickOf("key")[j], pickOf("value")[j]];
    const [score, weight] = [pickOf("scores")[i][j], pickOf("weights")[i][j]];
    const open = range(input.ids.length).filter((c) => mask[i][c]);
    const top = Math.max(...open.map((c) => pickOf("scores")[i][c]));
    const total = open.reduce((sum, c) => sum + Math.exp(pickOf("scores")[i][c] - top), 0);
    const four = (list) => list.slice(0, 4).map((x) => num(x, 2)).join(", ");
    return [
      { name: "score", parts: [`*q*_${i + 1}_ · *k*_${j + 1}_ = ${num(dot(q, k), 2)},  ÷ √${q.length}: *e* = `, { text: num(score, 2), pick: { query: i, key: j }, kind: "query" }] },
      { name: "mask", parts: [mask[i][j] ? `${input.letters[i]} may see ${input.letters[j]}` : `${input.letters[i]} may not see ${input.letters[j]}: *e* = −∞`] },
      { name: "weight", parts: [mask[i][j] ? `*a* = exp(${num(score, 2)} − ${top < 0 ? `(${num(top, 2)})` : num(top, 2)}) ÷ ${num(total, 2)} = ` : "*a* = ", { text: num(weight, 3), pick: { query: i, key: j }, kind: "weight" }] },
      { name: "value", parts: [`*a* · *v*_${j + 1}_ = `, { text: `${num(weight, 2)} · (${four(v)}, …)`, pick: { key: j }, kind: "value" }, now.silent.includes(layer * heads + head) ? ", then silenced: × 0" : ""] },
    ];
  }
  function nextLetters(row) {
    const { used, free, input, source, sure: mine, sureFree } = shown;
    const place = source[row];
    const wanted = place >= 0 ? input.ids[place] : null;
    const order = [...used.odds[row].keys()].sort((a, b) => used.odds[row][b] - used.odds[row][a]).slice(0, 5);
    const list = wanted === null || order.includes(wanted) ? order : [...order.slice(0, 4), wanted];
    bars.update({ names: list.map((id) => data.symbols[id]), values: list.map((id) => used.odds[row][id]), baseline: list.map((id) => free.odds[row][id]), marks: list.map((id) => id === wanted) });
    const letter = wanted === null ? "" : data.symbols[wanted];
    text(copy, wanted === null ? `${input.letters[row]} is new here: nothing to copy.`
      : `Last time ${letter} followed ${input.letters[row]}: probability ${num(used.odds[row][wanted])}${shown.plain ? "" : `, before your changes ${num(free.odds[row][wanted])}`}.`);
    const pair = ([told, fresh]) => [told === null ? null : `after letters seen before ${num(told)}`, fresh === null ? null : `after new ones ${num(fresh)}`].filter(Boolean).join(", ");
    text(leak, input.ids.length < 2 ? "" : `Mean probability of the true next letter: ${pair(mine)}.${shown.plain ? "" : ` Causal, with all heads: ${pair(sureFree)}.`}`);
  }
  function send(row, col, speak) {
    const { input, mask, used, free, source, sure: mine } = shown;
    const { layer, head } = selection.value;
    const six = (x) => (Array.isArray(x) ? x.map(six) : Number.isFinite(x) ? Math.round(1e6 * x) / 1e6 : null);
    const wanted = source[row] >= 0 ? input.ids[source[row]] : null;
    report({ ids: input.ids, mask, logits: six(used.logits), weights: six(used.weights), scores: six(used.scores[layer][head]), query_vector: six(used.query[layer][head][row]), key_vector: six(used.key[layer][head][col]), value_vector: six(used.value[layer][head][col]),
      shares: six(shown.shares), sure: six(mine), source, layer, head, query: row, key: col, silent: now.silent, preset: now.preset,
      copied: wanted === null ? null : six(used.odds[row][wanted]), copied_before: wanted === null ? null : six(free.odds[row][wanted]), goals: todo.done },
    speak ? `Head ${name(layer, head)}: ${input.letters[row]} reads ${input.letters[argmax(weightsOf()[row])]} with ${percent(Math.max(...weightsOf()[row]))}. ${copy.textContent}` : undefined);
  }
  selection.on(({ layer, head, query, key }) => {
    const patch = { layer, head, query, key };
    if (!shown || Object.keys(patch).every((part) => patch[part] === now[part])) return;
    now = { ...now, ...patch };
    update(patch);
    draw(true);
  });
  refresh();
  return {
    set: (next_) => { now = next_; refresh(); },
    tables: () => (shown ? [matrix.table(), bars.table()] : []),
    destroy() {},
  };
}

/** What to reach by playing with the model. */
function tasks(data) {
  const silencedOne = (now) => now.silent.length === 1 && now.preset === "causal" && !now.cells.length;
  const drop = ({ sure: [told], sureFree: [before] }) => told !== null && before > 0.5 && told < before / 2;
  const place = (now) => `${Math.floor(now.silent[0] / data.heads) + 1}.${(now.silent[0] % data.heads) + 1}`;
  const found = new Set();
  return [
    { title: "Find two heads, each of which alone breaks copying when it is silent.",
      check: ({ now, ...all }) => {
        if (silencedOne(now) && drop(all)) found.add(now.silent[0]);
        return { done: found.size >= 2, say: found.size ? `Found: ${[...found].map((i) => place({ silent: [i] })).join(", ")}.` : "" };
      } },
    { title: "Silence a head that looks where the copying head looks (induction), and lose nothing: where a head looks is not yet what it does.",
      check: ({ now, shares: all, sure: [told], sureFree: [before] }) => {
        if (!silencedOne(now) || told === null) return { done: false, say: "" };
        const share = all[Math.floor(now.silent[0] / data.heads)][now.silent[0] % data.heads][1];
        return { done: share >= 0.5 && told > 0.9 * before, say: share >= 0.5 ? `Head ${place(now)}: ${num(share)} on that place; copying ${num(told)}, before ${num(before)}.` : "" };
      } },
    { title: "Type a word without a letter twice, and make the model know its next letters all the same.",
      check: ({ input, sure: [told, fresh], now }) => ({ done: told === null && input.ids.length >= 4 && fresh > 0.6,
        say: told === null && fresh > 0.6 ? `${num(fresh)} with the mask “${now.preset}”: it reads the answer.` : "" }) },
    { title: `With five letters or more, mask cell by cell until each sees itself and the ${data.window - 1} before it (begin from “Causal”).`,
      check: ({ input, mask, now }) => ({ done: now.preset !== "local" && input.ids.length >= 5
        && JSON.stringify(mask) === JSON.stringify(preset("local", input.ids.length, data.window)), say: "" }) },
  ];
}
