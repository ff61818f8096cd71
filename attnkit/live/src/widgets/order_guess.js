// W9 with a model: the reader sets an order of prediction; a trained model of all orders
// runs in the page and gives each symbol its probability from what its place may see.

import { load } from "../graph.js";
import { attrs, h, text } from "../core/dom.js";
import { num } from "../core/format.js";
import { softmax } from "../core/maths.js";
import { step, switcher } from "../core/controls.js";
import { list, masks, moved, ranks } from "../core/orders.js";
import { createSelection } from "../core/selection.js";
import { barRow } from "../views/bar_row.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { tokenStrip } from "../views/token_strip.js";
import { goals } from "../services/gate.js";

export const keys = [
  ["← →", "another place"],
  ["Shift + ← →", "predict the place earlier, later"],
  ["Shift + Home End", "predict it first, last"],
  ["n", "another order"],
  ["q c", "query stream, content stream"],
];
const STREAMS = [["query", "Query stream"], ["content", "Content stream"]];
const range = (n) => Array.from({ length: n }, (_, i) => i);

/** The symbols of a text, written again until all places are full; as in Python. */
export function read(line, { symbols, size }) {
  const plain = [...line.normalize("NFKD").toUpperCase()].filter((c) => !/\p{M}/u.test(c));
  const found = plain.filter((c) => symbols.includes(c));
  const lost = [...new Set(plain.filter((c) => !symbols.includes(c) && !/\s/.test(c)))];
  const letters = found.length ? range(size).map((i) => found[i % found.length]) : [];
  return { letters, lost, again: found.length > 0 && found.length < size, cut: Math.max(0, found.length - size) };
}

/** Which other places hold a copy of each: the same symbol, periods away. */
export const copies = (letters, period) => letters.map((letter, i) =>
  range(letters.length).filter((j) => j !== i && letters[j] === letter && (i - j) % period === 0));

/** Odds of every symbol at every place, and of the true ones: `run` is the graph. */
export function forward(run, letters, tables, symbols) {
  const ids = letters.map((letter) => symbols.indexOf(letter));
  const { out } = run({ ids: Float32Array.from(ids), content: Float32Array.from(tables.content.flat()), query: Float32Array.from(tables.query.flat()) });
  const count = symbols.length;
  const odds = ids.map((_, i) => softmax(Array.from(out.data.slice(i * count, (i + 1) * count))));
  return { odds, sure: ids.map((id, i) => odds[i][id]) };
}

/** The logarithm of the product of probabilities. */
export const total = (odds) => odds.reduce((sum, odd) => sum + Math.log(odd), 0);

function shuffled(n) {
  const order = range(n);
  for (let i = n - 1; i > 0; i -= 1) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** A bar and a number under each token; a picture of what the tokens say themselves. */
function columns(n, onpick) {
  const parts = range(n).map((i) => {
    const fill = h("i", {});
    const number = h("span", { class: "at-num" });
    return { fill, number, el: h("div", { class: "at-odd", onclick: () => onpick(i) }, h("span", { class: "at-rise" }, fill), number) };
  });
  const el = h("div", { class: "at-odds", "aria-hidden": "true", style: `--n:${n}` }, ...parts.map((part) => part.el));
  return { el, update: (sure, chosen) => parts.forEach((part, i) => {
    part.fill.style.transform = `scaleY(${sure[i].toFixed(4)})`;
    text(part.number, Math.round(100 * sure[i]));
    part.el.classList.toggle("at-on", i === chosen);
  }) };
}

/**
 * Two orders side by side: of each probability −log as a length, in the order of
 * prediction; together they are that of the text. A picture of what the words below say.
 */
function lengths(names, n, onpick) {
  const lines = names.map((name) => {
    const parts = range(n).map(() => h("i", { class: "at-part" }));
    const sum = h("span", { class: "at-num" });
    parts.forEach((part, t) => part.addEventListener("click", () => onpick(lines.find((line) => line.parts === parts).order[t])));
    return { parts, sum, order: range(n), el: h("div", { class: "at-length" }, h("span", {}, name), h("span", { class: "at-parts" }, ...parts), sum) };
  });
  const el = h("div", { class: "at-lengths", "aria-hidden": "true" }, ...lines.map((line) => line.el));
  return { el, update: (rows, letters, chosen) => {
    const most = Math.max(...rows.map(({ odds }) => -total(odds)));
    lines.forEach((line, i) => {
      const { odds } = rows[i];
      line.order = rows[i].order;
      line.parts.forEach((part, t) => {
        const place = line.order[t];
        const share = -Math.log(odds[place]) / most;
        part.style.width = `${(100 * share).toFixed(2)}%`;
        text(part, share > 0.05 ? letters[place] : "");
        part.classList.toggle("at-on", place === chosen);
      });
      text(line.sum, num(total(odds)));
    });
  } };
}

export function mount({ root, data, state, update, report }) {
  const { run } = load(data.model);
  const { size, symbols, period } = data;
  let now = state;
  let shown = null;
  let reading = { letters: "", sure: [] }; // from left to right: the order does not matter
  let example = 0;
  const selection = createSelection({ token: state.token, other: 0, letter: 0 });
  const turn = createSelection({ turn: 0 });
  selection.hover = turn.hover = () => {}; // on its way to a button a mouse chooses nothing
  const change = (patch) => { now = { ...now, ...patch }; update(patch); draw(); };
  const button = (label, onclick, kind = "") => h("button", { type: "button", class: `at-button ${kind}`, onclick }, label);

  const field = h("input", { class: "at-input at-wide", type: "text", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: 40, "aria-label": `Text of ${size} letters from ${symbols[0]} to ${symbols.at(-1)}`, value: state.text,
    oninput: (event) => { if (!event.isComposing) change({ text: field.value }); } });
  field.addEventListener("compositionend", () => change({ text: field.value }));
  const other = button("Another example", () => { example = (example + 1) % data.examples.length; change({ text: data.examples[example] }); });
  const notice = h("p", { class: "at-notice", role: "status" });
  const sentence = tokenStrip({ label: "The text; filled: what the chosen place is predicted from", axis: "token", selection });
  const odds = columns(size, (token) => selection.pick({ token }));
  const line = tokenStrip({ label: "The order of prediction, first to last", axis: "turn", selection: turn });
  const first = button("◂◂ First", () => go(0));
  const earlier = button("◂ Predict it earlier", () => go(at() - 1), "at-primary");
  const later = button("Predict it later ▸", () => go(at() + 1), "at-primary");
  const last = button("Last ▸▸", () => go(size - 1));
  const straight = button("Left to right", () => change({ order: range(size) }));
  const back = button("Right to left", () => change({ order: range(size).reverse() }));
  const any = button("Another order", () => change({ order: shuffled(size) }));
  const whole = lengths(["this order", "left to right"], size, (token) => selection.pick({ token }));
  const summed = h("p", { class: "at-small" });
  const said = h("p", { class: "at-say" });
  const bars = barRow({ label: `Probability of each letter at the chosen place; ➤ the true one, the line: 1 in ${symbols.length}`, axis: "letter", selection, baselineName: "even" });
  const streams = switcher({ label: "Stream", options: STREAMS, onpick: (stream) => change({ stream }) });
  const matrix = heatMatrix({ label: "Who may see whom", rowAxis: "token", colAxis: "other", selection, verb: "sees", sums: false });
  const todo = goals(tasks(period));
  const live = h("div", { class: "at-live" },
    h("div", {}, h("div", { class: "at-label" }, "The text; filled: what the chosen place is predicted from; underlined: its copies"), sentence.el,
      odds.el, h("div", { class: "at-label" }, "Below each place: probability of its true letter, in %")),
    h("div", {}, h("div", { class: "at-label" }, "The order of prediction, first to last"), line.el),
    h("div", { class: "at-buttons" }, earlier, later, first, last),
    h("div", { class: "at-buttons" }, straight, back, any),
    h("div", {}, h("div", { class: "at-label" }, "The whole text: −log of each probability, end to end, in the order of prediction"), whole.el, summed),
    h("div", { class: "at-duo at-even" },
      step("", "What the model expects", "", said, bars.el),
      step("", "Who may see whom", "a row looks; rings: copies", streams.el, matrix.el)));
  const box = h("div", { class: "at at-w9 at-guess" }, h("div", { class: "at-controls at-ask" }, field, other), notice, live, todo.el);
  const elsewhere = (event) => event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input[type="text"], summary') || !shown;
  box.addEventListener("keydown", (event) => {
    if (elsewhere(event)) return;
    const act = event.shiftKey
      ? { ArrowLeft: () => go(at() - 1), ArrowRight: () => go(at() + 1), Home: () => go(0), End: () => go(size - 1) }[event.key]
      : { n: () => change({ order: shuffled(size) }), q: () => change({ stream: "query" }), c: () => change({ stream: "content" }) }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
  root.append(box);

  const at = () => now.order.indexOf(selection.value.token);
  function go(to) {
    const order = moved(now.order, selection.value.token, to);
    if (order.join() !== now.order.join()) change({ order });
  }

  function draw() {
    const input = read(now.text, data);
    if (field.value !== now.text) field.value = now.text;
    streams.set(now.stream);
    const known = `${symbols[0]} to ${symbols.at(-1)}`;
    text(notice, [input.lost.length ? `Left out, as the model knows only ${known}: ${input.lost.slice(0, 8).join(" ")}.` : "",
      input.again ? `Written again until all ${size} places are full.` : "",
      input.cut ? `Only the first ${size} letters are read.` : "",
      input.letters.length ? "" : `Type at least one letter from ${known}.`].filter(Boolean).join(" "));
    live.hidden = !input.letters.length;
    if (live.hidden) {
      shown = null;
      report({ letters: [], sure: [], odds: [] }, notice.textContent);
      return;
    }
    const tables = masks(now.order);
    const began = performance.now();
    const found = forward(run, input.letters, tables, symbols);
    if (reading.letters !== input.letters.join()) reading = { letters: input.letters.join(), ...forward(run, input.letters, masks(range(size)), symbols) };
    shown = { ...tables, ...found, reading: reading.sure, letters: input.letters, copies: copies(input.letters, period), rank: ranks(now.order), ms: performance.now() - began };
    shown.told = shown.copies.map((places, i) => places.filter((j) => tables.query[i][j]));
    show();
  }

  function show() {
    const token = selection.value.token;
    const { letters, rank, sure, query } = shown;
    const chips = letters.map((letter, i) => `${i + 1}\n${letter}`);
    const note = (i) => [`probability ${num(sure[i])}`, i === token ? "predicted" : "", shown.copies[token].includes(i) ? "copy" : ""].filter(Boolean).join(", ");
    sentence.update({ tokens: chips, weights: query[token], notes: range(size).map(note) });
    odds.update(sure, token);
    line.update({ tokens: now.order.map((i) => chips[i]), notes: now.order.map(note) });
    if (turn.value.turn !== rank[token]) turn.pick({ turn: rank[token] });
    earlier.disabled = first.disabled = rank[token] === 0;
    later.disabled = last.disabled = rank[token] === size - 1;
    bars.update({ names: symbols, values: shown.odds[token], baseline: symbols.map(() => 1 / symbols.length), marks: symbols.map((letter) => letter === letters[token]) });
    const names = letters.map((letter, i) => `${i + 1} ${letter}`);
    matrix.update({ rows: names, cols: names, heads: letters, sides: letters, values: shown[now.stream], marks: shown.copies });
    text(said, words(token));
    const totals = [total(sure), total(shown.reading)];
    whole.update([{ order: now.order, odds: sure }, { order: range(size), odds: shown.reading }], letters, token);
    text(summed, `The ${size} logarithms sum to ${num(totals[0])} in this order, to ${num(totals[1])} from left to right. ${size} even guesses would give ${num(size * Math.log(1 / symbols.length))}; exact probabilities the same sum in every order.`);
    todo.update({ ...shown, token });
    const six = (rows) => rows.map((x) => (Array.isArray(x) ? six(x) : Math.round(1e6 * x) / 1e6));
    report({ letters, order: now.order, token, stream: now.stream, content: shown.content, query, odds: six(shown.odds), sure: six(sure), reading: six(shown.reading), total: six(totals), told: shown.told, ms: shown.ms, goals: todo.done },
      `Place ${token + 1}, ${letters[token]}, number ${rank[token] + 1} in the order: probability ${num(sure[token])}. Logarithms sum to ${num(totals[0])}, left to right ${num(totals[1])}.`);
  }

  function words(token) {
    const { letters, rank, sure } = shown;
    const seen = rank[token];
    const spots = (places) => `${places.length > 1 ? "places" : "place"} ${list(places.map((i) => i + 1))}`;
    const all = shown.copies[token];
    const told = shown.told[token];
    const why = told.length ? `${told.length > 1 ? "copies stand" : "a copy stands"} at ${spots(told)}`
      : all.length ? `${all.length > 1 ? "all its copies come" : "its copy comes"} later, at ${spots(all)}` : `it has no copy at a multiple of ${period} places`;
    return `Place ${token + 1} comes as number ${seen + 1} and sees ${seen} ${seen === 1 ? "letter" : "letters"}; ${why}. The model gives its true letter ${letters[token]} the probability ${num(sure[token])}.`;
  }

  selection.on(({ token }) => {
    if (token === now.token || !shown) return;
    now = { ...now, token };
    update({ token });
    show();
  });
  turn.on(({ turn: place }) => {
    const token = now.order[place];
    if (token !== undefined && token !== selection.value.token) selection.pick({ token });
  });
  draw();
  return {
    set: (next) => { now = next; shown = null; selection.pick({ token: now.token }); draw(); },
    tables: () => (shown ? [places(), bars.table(), matrix.table()] : []),
    destroy() {},
  };

  function places() {
    return { caption: "Each place: its turn, what tells it, and the probability of its letter, also from left to right",
      columns: ["place", "letter", "turn", "copies that come earlier", "probability", "left to right"],
      rows: shown.letters.map((letter, i) => [i + 1, letter, shown.rank[i] + 1, shown.told[i].map((j) => j + 1).join(", ") || "–", shown.sure[i], shown.reading[i]]) };
  }
}

/** What to reach by playing. */
function tasks(period) {
  const low = new Set(); // text and place of guesses that were seen
  const name = ({ letters, token }) => `${letters.join("")} ${token}`;
  const alone = ({ told, copies: all }) => told.flatMap((list_, i) => (all[i].length && !list_.length ? [i] : []));
  return [
    { title: "Choose a place whose letter has less than 0.2, and move it in the order until it has more than 0.5.",
      check: (now) => {
        if (now.sure[now.token] < 0.2) low.add(name(now));
        return { done: low.has(name(now)) && now.sure[now.token] > 0.5, say: "" };
      } },
    { title: `Find an order in which the last ${period} places of the text, and no others, come before all their copies.`,
      check: (now) => ({ done: alone(now).length === period && alone(now).every((i) => i >= now.letters.length - period), say: "" }) },
    { title: "Write a text in which every letter has less than 0.3.",
      check: ({ sure }) => ({ done: Math.max(...sure) < 0.3, say: "" }) },
  ];
}
