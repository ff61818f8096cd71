// W9: order → mask. Any order of prediction, without moving a word of the text: who may
// see whom in the content stream and in the query stream.

import { h, text } from "../core/dom.js";
import { step } from "../core/controls.js";
import { list, masks, ranks } from "../core/orders.js";
import { createSelection } from "../core/selection.js";
import { heatMatrix } from "../views/heat_matrix.js";
import { tokenStrip } from "../views/token_strip.js";
import { goals } from "../services/gate.js";

export const keys = [
  ["← →", "another token"],
  ["Shift + ← →", "predict the token earlier, later"],
  ["n", "the next order"],
  ["Space", "in your own mask: allow, forbid"],
];

/** The order that follows in the list of all orders; the first after the last. */
export function following(order) {
  const next = [...order];
  let i = next.length - 2;
  while (i >= 0 && next[i] > next[i + 1]) i -= 1;
  if (i < 0) return next.sort((a, b) => a - b);
  let j = next.length - 1;
  while (next[j] < next[i]) j -= 1;
  [next[i], next[j]] = [next[j], next[i]];
  return [...next.slice(0, i + 1), ...next.slice(i + 1).reverse()];
}

const factorial = (n) => (n < 2 ? 1 : n * factorial(n - 1));

export function mount({ root, data, state, update, report }) {
  const { tokens, drill } = data;
  const names = tokens.map((token, i) => `${i + 1} ${token}`);
  const places = tokens.map((_, i) => i);
  let now = state;
  const selection = createSelection({ token: state.token, other: 0 });
  const own = createSelection({ row: 0, col: 0 });
  const change = (patch) => { now = { ...now, ...patch }; update(patch); draw(); };

  const sentence = tokenStrip({ label: "The text, in its own order; filled: what the chosen token is predicted from", axis: "token", selection });
  const turn = createSelection({ turn: 0 });
  const line = tokenStrip({ label: "The order of prediction, first to last", axis: "turn", selection: turn });
  const content = heatMatrix({ label: "Content stream: who may see whom", rowAxis: "token", colAxis: "other", selection, verb: "sees", sums: false });
  const query = heatMatrix({ label: "Query stream: who may see whom", rowAxis: "token", colAxis: "other", selection, verb: "sees", sums: false });
  const count = h("p", { class: "at-small" });
  const button = (label, onclick) => h("button", { type: "button", class: "at-button", onclick }, label);
  const earlier = button("◂ Predict it earlier", () => move(-1));
  const later = button("Predict it later ▸", () => move(1));
  const next = button("Next order", () => change({ order: following(now.order) }));
  const reading = button("Left to right", () => change({ order: places }));
  const board = heatMatrix({ label: "Your own mask", rowAxis: "row", colAxis: "col", selection: own, verb: "sees", sums: false,
    onKey: (event, row, col) => (event.key === " " ? (toggle(row, col), true) : false) });
  const said = h("p", { class: "at-say", role: "status" });
  const check = h("button", { type: "button", class: "at-button at-primary", onclick: () => change({ revealed: true }) }, "Check");
  const wipe = button("Start over", () => change({ drawn: [], revealed: false }));
  const goal = tasks(tokens.length);
  const todo = goals(goal);
  board.el.addEventListener("click", (event) => {
    if (event.target.closest("[data-cell]")) toggle(own.value.row, own.value.col);
  });
  const box = h("div", { class: "at at-w9" },
    h("div", {}, h("div", { class: "at-label" }, "The text; filled: what the chosen token is predicted from"), sentence.el),
    h("div", {}, h("div", { class: "at-label" }, "The order of prediction, first to last"), line.el),
    h("div", { class: "at-buttons" }, earlier, later, next, reading),
    h("div", { class: "at-duo at-even" },
      step("", "Content stream", "a token sees itself and what came before it in the order", content.el),
      step("", "Query stream", "a token is predicted from what came before it, not from itself", query.el)),
    count,
    h("details", { class: "at-more" }, h("summary", {}, `Draw a mask: the content stream for the order ${drill.map((i) => i + 1).join(" – ")}`),
      h("p", { class: "at-small" }, "Rows look, columns are seen. Click a cell, or press the space bar on it."),
      h("div", { class: "at-live" }, board.el, h("div", { class: "at-buttons" }, check, wipe)), said),
    todo.el);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, summary")) return;
    if (event.key === "n") change({ order: following(now.order) });
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  box.addEventListener("keydown", (event) => {
    if (!event.shiftKey || !["ArrowLeft", "ArrowRight"].includes(event.key)) return;
    move(event.key === "ArrowLeft" ? -1 : 1);
    event.preventDefault();
    event.stopPropagation();
  }, { capture: true });
  root.append(box);

  /** The chosen token changes places with its neighbour in the order. */
  function move(by) {
    const at = now.order.indexOf(selection.value.token);
    const to = at + by;
    if (to < 0 || to >= now.order.length) return;
    const order = [...now.order];
    [order[at], order[to]] = [order[to], order[at]];
    change({ order });
  }
  function toggle(row, col) {
    const cell = row * tokens.length + col;
    const drawn = now.drawn.includes(cell) ? now.drawn.filter((i) => i !== cell) : [...now.drawn, cell].sort((a, b) => a - b);
    change({ drawn, revealed: false });
  }
  function drawBoard() {
    const n = tokens.length;
    const truth = masks(drill).content;
    const mine = places.map((r) => places.map((c) => Number(now.drawn.includes(r * n + c))));
    const wrong = places.flatMap((r) => places.filter((c) => mine[r][c] !== truth[r][c]).map((c) => [r, c]));
    board.update({ rows: names, cols: names, values: mine, marks: places.map((r) => (now.revealed ? wrong.filter(([row]) => row === r).map(([, c]) => c) : [])) });
    const [first] = wrong;
    const wish = first && (truth[first[0]][first[1]] ? "may be seen: it comes no later" : "must be hidden: it comes later");
    text(said, !now.revealed ? "" : !wrong.length ? "✓ Right, cell for cell."
      : `${wrong.length} of ${n * n} cells are wrong; rings mark them. For example, in the row of ${names[first[0]]}, ${names[first[1]]} ${wish}.`);
    return { mine, wrong: wrong.length };
  }
  function draw(speak = true) {
    const token = Math.min(selection.value.token, tokens.length - 1);
    const tables = masks(now.order);
    const rank = ranks(now.order);
    const seen = places.filter((j) => tables.query[token][j]);
    sentence.update({ tokens: names, weights: tables.query[token], notes: places.map((i) => (i === token ? "predicted" : "")) });
    line.update({ tokens: now.order.map((i) => names[i]), notes: now.order.map((i) => (i === token ? "predicted" : "")) });
    content.update({ rows: names, cols: names, values: tables.content });
    query.update({ rows: names, cols: names, values: tables.query });
    if (turn.value.turn !== rank[token]) turn.pick({ turn: rank[token] });
    const told = `${names[token]} is predicted as number ${rank[token] + 1}, from ${list(seen.map((j) => names[j]))}.`;
    const all = factorial(tokens.length);
    text(count, `The text never moves; only the masks do. There are ${all} orders of ${tokens.length} tokens, and over all of them each token is predicted with every other one in sight equally often: in ${all / 2} of ${all}.`);
    earlier.disabled = rank[token] === 0;
    later.disabled = rank[token] === tokens.length - 1;
    const { mine, wrong } = drawBoard();
    todo.update({ rank, query: tables.query, order: now.order, wrong, revealed: now.revealed });
    report({ ...tables, order: now.order, token, mine, wrong, goals: todo.done }, speak ? told : undefined);
  }
  selection.on(({ token }) => { if (token !== now.token) change({ token }); });
  turn.on(({ turn: at }) => {
    const token = now.order[at];
    if (token !== undefined && token !== selection.value.token) selection.pick({ token });
  });
  draw();
  return {
    set: (next_) => { now = next_; selection.pick({ token: now.token }); draw(); },
    tables: () => [content.table(), query.table()],
    destroy() {},
  };
}

/** What to reach by playing. */
function tasks(n) {
  const seenBy = (table, i) => table[i].flatMap((may, j) => (may ? [j] : []));
  return [
    { title: `Find an order in which token 2 is predicted from token ${n} alone.`,
      check: ({ query }) => ({ done: seenBy(query, 1).join() === `${n - 1}`, say: "" }) },
    { title: `Find an order in which token ${n} is predicted from all the others, and token 1 from nothing.`,
      check: ({ rank }) => ({ done: rank[n - 1] === n - 1 && rank[0] === 0, say: "" }) },
    { title: "Draw the mask above without a mistake and check it.",
      check: ({ wrong, revealed }) => ({ done: revealed && wrong === 0, say: "" }) },
  ];
}
