// W6: word → region. The trained captioner runs in the page (its exported graph) on a
// scene that the reader picks or draws; blank a region and it writes again.

import { load } from "../graph.js";
import { attrs, h, text } from "../core/dom.js";
import { num, percent } from "../core/format.js";
import { argmax, entropy } from "../core/maths.js";
import { switcher } from "../core/controls.js";
import { greedy } from "../core/decode.js";
import { createSelection } from "../core/selection.js";
import { curve } from "../views/curve.js";
import { imageOverlay } from "../views/image_overlay.js";
import { tokenStrip } from "../views/token_strip.js";
import { goals, predict } from "../services/gate.js";
import { scrubber } from "../services/scrubber.js";

export const keys = [
  ["← → ↑ ↓", "region (in the image), word (in the caption)"],
  ["Space", "draw the chosen shape in the region, or wipe it away (in the image)"],
  ["b", "blank the region, or bring it back (in the image)"],
  ["Home End", "ends of the row (with Ctrl: of the image)"],
  ["Enter, Esc", "hold the selection, let it go"],
];

const SPREAD = {
  look: "How spread each word’s look is: entropy in nats",
  chances: "How spread the chances of each look are: entropy in nats",
};

/** Pixels of a scene, plane by plane: what attnkit.data.scenes.draw_scene paints. */
export function paintScene(things, { size, lattice, paper, stamps, palette }) {
  const [cell, area] = [size / lattice, size * size];
  const pixels = new Float32Array(3 * area).fill(paper);
  things.forEach(([colour, shape, row, column]) => {
    const cover = stamps[shape];
    for (let i = 0; i < cell * cell; i += 1) {
      const at = (row * cell + Math.floor(i / cell)) * size + column * cell + (i % cell);
      for (let c = 0; c < 3; c += 1) pixels[c * area + at] += cover[i] * (palette[colour][c] - pixels[c * area + at]);
    }
  });
  return pixels;
}

/** The same with some regions of a rows × columns grid painted over. */
export function blanked(pixels, blank, { size, rows, columns, paper }) {
  const out = Float32Array.from(pixels);
  const [high, wide] = [size / rows, size / columns];
  blank.forEach((region) => {
    const [top, left] = [Math.floor(region / columns) * high, (region % columns) * wide];
    for (let c = 0; c < 3; c += 1) {
      for (let y = top; y < top + high; y += 1) out.fill(paper, (c * size + y) * size + left, (c * size + y) * size + left + wide);
    }
  });
  return out;
}

/** The right caption of two things, or null: the left one first, else the upper one. */
export function describe(things) {
  if (things.length !== 2) return null;
  const [one, two] = [...things].sort((a, b) => a[3] - b[3] || a[2] - b[2]);
  const relation = one[3] === two[3] ? ["above"] : ["left", "of"];
  return ["a", one[0], one[1], ...relation, "a", two[0], two[1]];
}

/** Which thing each word of the right caption speaks of, or null. */
const meant = (things) => {
  const [one, two] = [...things].sort((a, b) => a[3] - b[3] || a[2] - b[2]);
  const gap = one[3] === two[3] ? [null] : [null, null];
  return [null, one, one, ...gap, null, two, two];
};

/** Places at which two captions differ. */
export const differing = (a, b) => Array.from({ length: Math.max(a.length, b.length) }, (_, i) => i).filter((i) => a[i] !== b[i]);

/** The graphs of one model as `greedy` wants them. */
function captioner(graphs, kind, { size, places }) {
  const [encode, step] = [graphs[`${kind}_encode`], graphs[`${kind}_step`]];
  const mask = { data: new Float32Array(places).fill(1), shape: [1, places] };
  return {
    encode: ({ pixels }) => ({ ...encode({ image: { data: pixels, shape: [1, 3, size, size] } }), mask }),
    step(token, carry) {
      const { logits, weights, chances, ...state } = step({ ...carry, token: { data: Float32Array.of(token), shape: [1] } });
      return { logits: Array.from(logits.data), weights: Array.from(weights.data), chances: Array.from(chances.data), carry: { ...carry, ...state } };
    },
  };
}

export function mount({ root, data, state, update, report, kernel }) {
  const graphs = data.model ? load(data.model) : null;
  const models = graphs ? Object.fromEntries(data.kinds.map((kind) => [kind, captioner(graphs, kind, data)])) : {};
  const known = new Map(); // what was written for which scene, model and blanks
  let now = state;
  let shown = null;
  let turn = 0;
  const selection = createSelection({ word: state.word, region: state.region, measure: 0 });
  const peak = (word) => (shown ? { region: argmax(shown.used.weights[word]) } : {});
  const change = (patch) => { now = { ...now, ...patch }; update(patch); refresh(); };
  const symbol = (id) => (id === data.eos ? "⟨end⟩" : data.symbols[id]);
  const spoken = (tokens) => tokens.filter((id) => id !== data.eos).map(symbol).join(" ");

  const picture = imageOverlay({ label: "Regions of the image, framed by the weight of the word", axis: "region", rows: data.rows, cols: data.columns, size: data.size, selection,
    onKey: (event, region) => {
      if (event.ctrlKey || event.metaKey || event.altKey || (event.key !== " " && event.key !== "b")) return false;
      if (event.key === "b") toggle(region); else draw(region);
      return true;
    },
    onPick: (region) => { if (now.tap === "draw") draw(region); } });
  const caption = tokenStrip({ label: "Caption; filled by the weight on the chosen region", axis: "word", selection, follow: peak });
  const scrub = scrubber({ label: "Word", axis: "word", selection, follow: peak, say: (i) => shown?.words[i] ?? `${i + 1}` });
  const flat = curve({ label: SPREAD.look, xLabel: "word", yLabel: "nats", xAxis: "word", seriesAxis: "measure", names: ["entropy"], top: Math.ceil(Math.log(data.places)), ticks: 3, selection });
  const drawn = h("p", { class: "at-small", hidden: true }, "It takes the best chance: each word looks at one region. A colour looks at its thing. A shape may look at paper: it came in with the colour, one look earlier.");
  const own = tokenStrip({ label: "Caption of the whole scene", axis: "old", selection: createSelection({ old: null }) });
  const said = h("p", { class: "at-small" });
  const diff = h("div", { class: "at-diff" }, h("div", { class: "at-label" }, "With nothing blank the model writes"), own.el, said);
  const use = h("p", { class: "at-small" });
  const truth = h("p", { class: "at-small" });
  const notice = h("p", { class: "at-notice", role: "status" });
  const next = h("button", { type: "button", class: "at-button", onclick: () => { turn = (turn + 1) % data.scenes.length; change({ scene: data.scenes[turn], blank: [], word: Math.min(2, now.word) }); } }, "Another scene");
  const clear = h("button", { type: "button", class: "at-button", onclick: () => change({ scene: [], blank: [], tap: "draw" }) }, "Empty scene");
  const blank = h("button", { type: "button", class: "at-button", onclick: () => toggle(selection.value.region) }, "Blank this region");
  const back = h("button", { type: "button", class: "at-button", onclick: () => change({ blank: [] }) }, "Bring all back");
  const kind = data.kinds.length > 1 ? switcher({ label: "Attention", options: data.kinds.map((name) => [name, name[0].toUpperCase() + name.slice(1)]), onpick: (name) => change({ kind: name }) }) : null;
  const tap = switcher({ label: "A tap on the image", options: [["look", "Look"], ["draw", "Draw"]], onpick: (name) => change({ tap: name }) });
  const brush = palette(data, (patch) => change({ ...patch, tap: "draw" }));
  const gate = data.mark === null ? null : predict({
    question: `The first scene reads “${data.first}”. If region ${picture.name(data.mark)} were blank, which word would change first? Give a whole number: count from 1; 0 means none.`,
    saved: { guess: state.guess, revealed: state.revealed }, answer: verdict,
    save: (patch) => { now = { ...now, ...patch }; update(patch); } });
  const todo = goals(tasks());
  const live = h("div", { class: "at-live" },
    h("div", { class: "at-duo at-see" },
      h("div", { class: "at-live" }, picture.el, h("p", { class: "at-small" }, h("span", { class: "at-truth-key", "aria-hidden": "true" }), " true place of the word; thick frame: large weight.")),
      h("div", { class: "at-live" }, caption.el, scrub.el, use, h("div", { class: "at-buttons" }, blank, back), diff, flat.el, drawn, truth)));
  root.append(h("div", { class: "at at-w6r" },
    h("div", { class: "at-controls" }, kind?.el, tap.el, next, clear), brush.el, notice, live,
    gate ? h("details", { class: "at-more" }, h("summary", {}, "Predict: a region goes blank"), gate.el) : null, todo.el));

  /** The cell of the lattice that holds the middle of a region. */
  const cellOf = (region) => [[Math.floor(region / data.columns), data.rows], [region % data.columns, data.columns]]
    .map(([place, count]) => Math.floor(((place + 0.5) * data.lattice) / count));
  function draw(region) {
    const [row, column] = cellOf(region);
    const rest = now.scene.filter((thing) => thing[2] !== row || thing[3] !== column);
    const old = now.scene.find((thing) => thing[2] === row && thing[3] === column);
    const same = old && old[0] === now.colour && old[1] === now.shape;
    change({ region, word: selection.value.word, scene: same ? rest : [...rest, [now.colour, now.shape, row, column]] });
  }
  function toggle(region) {
    const rest = now.blank.filter((i) => i !== region);
    change({ region, word: selection.value.word, blank: rest.length < now.blank.length ? rest : [...rest, region].sort((a, b) => a - b) });
  }
  function written(kind_, scene, blanks) {
    const key = JSON.stringify([kind_, scene, blanks]);
    if (!known.has(key)) {
      if (known.size > 200) known.clear();
      const pixels = blanked(paintScene(scene, data), blanks, data);
      known.set(key, { pixels, ...greedy(models[kind_], { pixels, length: data.places }, data) });
    }
    return known.get(key);
  }
  function verdict() {
    if (!graphs) return { value: 0, tolerance: 0.1, digits: 0, explain: "The page cannot run this model by itself." };
    const [whole, without] = [written(data.kinds[0], data.scenes[0], []), written(data.kinds[0], data.scenes[0], [data.mark])];
    const at = differing(whole.tokens, without.tokens);
    return { value: at.length ? at[0] + 1 : 0, tolerance: 0.1, digits: 0,
      explain: at.length ? `Without the region the model writes “${spoken(without.tokens)}”.` : "No word changes." };
  }
  function refresh() {
    if (graphs) { show(written(now.kind, now.scene, []), written(now.kind, now.scene, now.blank)); return; }
    viaKernel();
  }
  /** No graph in the page: the same numbers from Python, where a kernel answers. */
  async function viaKernel() {
    if (!(await kernel.ready)) { rest(`${data.reason} No Python kernel answers here, so this widget rests; the picture below the page’s text shows its first state.`); return; }
    const answer = await kernel.call("write", { kind: now.kind, scene: now.scene, blank: now.blank }).catch((error) => error);
    if (answer instanceof Error) { rest(`Python did not answer: ${answer.message}`); return; }
    const pixels = blanked(paintScene(now.scene, data), now.blank, data);
    const full = (out) => ({ ...out, pixels, steps: out.chances.map((chances) => ({ chances })) });
    show(full(answer.free), full(answer.used));
  }
  /** What the curve shows: where one region is taken whole, the chances and not the weights. */
  function spread() {
    const differ = shown.used.weights.some((row, i) => row.some((weight, j) => Math.abs(weight - shown.used.steps[i].chances[j]) > 1e-3));
    return differ ? SPREAD.chances : SPREAD.look;
  }
  function name(label) {
    drawn.hidden = label === SPREAD.look;
    text(flat.el.querySelector(".at-label"), label);
    attrs(flat.el.querySelector("[role=slider]"), { "aria-label": `${label}, cursor` });
  }
  function rest(words) {
    live.hidden = true;
    text(notice, words);
    report({ tokens: [], weights: [], logits: [] }, words);
  }
  function show(free, used) {
    const words = used.tokens.map(symbol);
    const wanted = describe(now.scene);
    const changed = differing(used.tokens, free.tokens);
    const right = wanted !== null && wanted.join(" ") === spoken(used.tokens);
    shown = { words, free, used, changed, wanted, right, scene: now.scene, entropy: used.steps.map(({ chances }) => entropy(chances)) };
    live.hidden = false;
    text(notice, now.scene.length === 2 ? "" : `The model has only ever seen two shapes; this scene has ${now.scene.length}.`);
    scrub.update(words.length);
    flat.update({ x: words.map((name) => (name === "⟨end⟩" ? "end" : name)), series: [{ mean: shown.entropy }] });
    name(spread());
    kind?.set(now.kind);
    tap.set(now.tap);
    brush.set(now);
    back.disabled = !now.blank.length;
    diff.hidden = !now.blank.length;
    if (now.blank.length) {
      own.update({ tokens: free.tokens.map(symbol), notes: free.tokens.map((_, i) => (changed.includes(i) ? "changed" : "")) });
      text(said, changed.length ? `The blank changed ${changed.length} of ${Math.max(words.length, free.tokens.length)} words.` : "The caption stays the same.");
    }
    text(truth, wanted === null ? "" : right ? "✓ The caption is right." : `✗ Right would be: ${wanted.join(" ")}.`);
    selection.pick({ word: Math.min(now.word, words.length - 1), region: now.region });
    choose(true);
  }
  /** What hangs on the chosen word and region. */
  function choose(speak) {
    if (!shown) return;
    const { words, used } = shown;
    const word = Math.min(selection.value.word, words.length - 1);
    const { region } = selection.value;
    const thing = shown.wanted && shown.right ? meant(now.scene)[word] : null;
    const cells = Array.from({ length: data.places }, (_, i) => i);
    const first = JSON.stringify(now.scene) === JSON.stringify(data.scenes[0]);
    const alt = now.scene.length ? `Scene of ${now.scene.map(([c, s, y, x]) => `a ${c} ${s} in row ${y + 1}, column ${x + 1}`).join(" and ")}. Caption: ${spoken(used.tokens)}.` : `Empty scene. Caption: ${spoken(used.tokens)}.`;
    picture.update({ pixels: used.pixels, weights: used.weights[word], alt,
      truth: thing ? cells.filter((i) => touches(i, thing, data)) : [],
      notes: cells.map((i) => (now.blank.includes(i) ? "blank" : first && i === data.mark ? "marked" : "")) });
    caption.update({ tokens: words, weights: used.weights.map((row) => row[region]), notes: words.map((_, i) => (shown.changed.includes(i) ? "changed" : "")) });
    text(blank, now.blank.includes(region) ? "Bring this region back" : "Blank this region");
    const users = words.map((name, i) => [name, used.weights[i][region]]).filter(([, weight]) => weight >= 0.1);
    text(use, `Region ${picture.name(region)} is read by ${users.length ? users.map(([name, weight]) => `${name} ${num(weight)}`).join(", ") : "no word"}.`);
    const mine = !data.scenes.some((scene) => JSON.stringify(scene) === JSON.stringify(now.scene));
    todo.update({ ...shown, word, mine, blank: now.blank });
    const six = (row) => row.map((x) => Math.round(1e6 * x) / 1e6);
    report({ tokens: used.tokens, output: words, weights: used.weights.map(six), chances: used.steps.map(({ chances }) => six(chances)), logits: used.logits.map(six), entropy: six(shown.entropy),
      free: shown.free.tokens, scene: now.scene, kind: now.kind, blank: now.blank, word, region, changed: shown.changed, right: shown.right, goals: todo.done },
    speak ? `${spoken(used.tokens)}. Word ${word + 1}, ${words[word]}, looks at region ${picture.name(argmax(used.weights[word]))} with ${percent(Math.max(...used.weights[word]))}.` : undefined);
  }
  selection.on(({ word, region }) => {
    if (shown && (word !== now.word || region !== now.region)) { now = { ...now, word, region }; update({ word, region }); }
    choose(true);
  });
  refresh();
  return {
    set: (next_) => { now = next_; gate?.update({ guess: now.guess, revealed: now.revealed }); refresh(); },
    tables: () => (shown ? [matrix(), picture.table(), { ...flat.table(), caption: spread() }] : []),
    destroy: scrub.destroy,
  };

  /** The table twin of all words: one row per word, one column per region. */
  function matrix() {
    return { caption: "Attention weights, one row per word",
      columns: ["word", ...Array.from({ length: data.places }, (_, i) => `${Math.floor(i / data.columns) + 1}.${(i % data.columns) + 1}`), "sum"],
      rows: shown.words.map((name, i) => [name, ...shown.used.weights[i], shown.used.weights[i].reduce((a, b) => a + b, 0)]) };
  }
}

/** Whether a region shares pixels with the cell of a thing. */
function touches(region, [, , row, column], { rows, columns, lattice }) {
  const shares = (place, count, cell) => place * lattice < (cell + 1) * count && cell * count < (place + 1) * lattice;
  return shares(Math.floor(region / columns), rows, row) && shares(region % columns, columns, column);
}

/** Colours and shapes to draw with, as buttons; both are one Tab stop per button. */
function palette(data, onpick) {
  const make = (name, key, face) => {
    const button = h("button", { type: "button", class: "at-button at-brush", "aria-label": name, title: name, onclick: () => onpick({ [key]: name }) }, face);
    return [name, button];
  };
  const css = ([r, g, b]) => `rgb(${[r, g, b].map((v) => Math.round(255 * v)).join(" ")})`;
  const colours = Object.entries(data.palette).map(([name, rgb]) => make(name, "colour", [h("span", { class: "at-dab", style: `background:${css(rgb)}`, "aria-hidden": "true" }), h("span", {}, name)]));
  const signs = { circle: "●", square: "■", triangle: "▲", cross: "✚" };
  const shapes = Object.keys(data.stamps).map((name) => make(name, "shape", [h("span", { "aria-hidden": "true" }, signs[name] ?? ""), h("span", {}, name)]));
  const group = (label, buttons) => h("div", { class: "at-palette", role: "group", "aria-label": label }, ...buttons.map(([, button]) => button));
  const el = h("div", { class: "at-brushes" }, group("Colour to draw with", colours), group("Shape to draw with", shapes));
  const set = ({ colour, shape }) => [...colours, ...shapes].forEach(([name, button]) => attrs(button, { "aria-pressed": String(name === colour || name === shape) }));
  return { el, set };
}

/** What to reach by playing with the model. */
function tasks() {
  return [
    { title: "Draw a scene of two shapes of your own that the model captions right.",
      check: ({ right, mine, blank }) => ({ done: right && mine && !blank.length, say: "" }) },
    { title: "Blank one region so that the words of one shape change and those of the other stay.",
      check: ({ blank, changed, words }) => {
        const done = blank.length === 1 && changed.length > 0 && changed.length <= 3;
        return { done, say: done ? `Changed: ${changed.map((i) => words[i] ?? "(gone)").join(", ")}.` : "" };
      } },
    { title: "Make the model write something wrong, by a scene with one, three or more shapes: what does it leave out, or make up?",
      check: ({ scene, words }) => ({ done: scene.length > 2 || scene.length === 1, say: scene.length > 2 || scene.length === 1 ? `${scene.length} shape${scene.length === 1 ? "" : "s"}: ${words.slice(0, -1).join(" ")}.` : "" }) },
  ];
}
