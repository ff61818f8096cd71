// Greedy and beam search over the graphs of a trained encoder–decoder, the same rules as
// attnkit/search.py. The model itself is the exported graph; nothing of it is here.

import { argmax } from "./maths.js";

/**
 * The model's two graphs as one object. What one graph gives, the next takes under the
 * same name; the widget itself gives token, step, source_mask, forced and use_forced.
 * @param entries { encode, step } from graph.js `load`
 * @param spec { pad, bos, eos, unk, max_source, max_steps }
 * @returns { encode(ids), step(token, carry, forced) } with `carry` = state and memory
 */
export function translator({ encode, step }, spec) {
  const width = spec.max_source;
  const row = (list) => ({ data: Float32Array.from({ length: width }, (_, i) => list[i] ?? 0), shape: [1, width] });
  const one = (value) => ({ data: Float32Array.of(value), shape: [1] });
  return {
    encode(ids) {
      const mask = row(ids.map(() => 1));
      return { step: one(0), source_mask: mask, ...encode({ source: row(ids), source_mask: mask }) };
    },
    step(token, carry, forced) {
      const given = { token: one(token), forced: row(forced ?? []), use_forced: one(forced ? 1 : 0) };
      const { logits, weights, ...state } = step({ ...carry, ...given });
      return { logits: Array.from(logits.data), weights: Array.from(weights.data), carry: { ...carry, ...state } };
    },
  };
}

/** log softmax in which padding and begin are never chosen. */
export function nextLogs(logits, spec) {
  const top = Math.max(...logits);
  const total = top + Math.log(logits.reduce((sum, x) => sum + Math.exp(x - top), 0));
  return logits.map((x, i) => (i === spec.pad || i === spec.bos ? -Infinity : x - total));
}

/**
 * The most probable symbol at every step, until the end or max_steps.
 * @param forced { step: row of weights } used in place of the model's own
 * @param old a result for the same source; its steps before `from` are taken over
 */
export function greedy(model, source, spec, forced = {}, old = null, from = 0) {
  const steps = old ? old.steps.slice(0, from) : [];
  const start = old ? old.start : model.encode(source);
  while (steps.length < spec.max_steps) {
    const before = steps[steps.length - 1];
    if (before?.token === spec.eos) break;
    const out = model.step(before?.token ?? spec.bos, before?.carry ?? start, forced[steps.length]);
    steps.push({ ...out, token: argmax(nextLogs(out.logits, spec)) });
  }
  return result(steps, start, source);
}

/** Keep the best `size` beginnings at every step; see beam_decode in Python. */
export function beam(model, source, spec, forced = {}, size = 4, penalty = 0) {
  const start = model.encode(source);
  let beams = [{ steps: [], score: 0, length: 0, ended: false, carry: start, last: spec.bos }];
  const rank = (b) => b.score / b.length ** penalty;
  for (let t = 0; t < spec.max_steps && !beams.every((b) => b.ended); t += 1) {
    const grown = beams.flatMap((b) => (b.ended ? [b] : grow(model, b, spec, forced[t], size)));
    beams = grown.sort((a, b) => rank(b) - rank(a)).slice(0, size);
  }
  const best = beams.reduce((a, b) => (rank(b) > rank(a) ? b : a));
  return result(best.steps, start, source);
}

/** The `size` best ways to go on from one beginning; more could never stay. */
function grow(model, b, spec, forced, size) {
  const out = model.step(b.last, b.carry, forced);
  const logs = nextLogs(out.logits, spec);
  const order = logs.map((_, i) => i).sort((i, j) => logs[j] - logs[i]).slice(0, size);
  return order.map((token) => ({
    steps: [...b.steps, { ...out, token }], score: b.score + logs[token], length: b.length + 1,
    ended: token === spec.eos, carry: out.carry, last: token,
  }));
}

const result = (steps, start, source) => ({
  steps, start,
  tokens: steps.map((step) => step.token),
  weights: steps.map((step) => step.weights.slice(0, source.length)),
  logits: steps.map((step) => step.logits),
});

/** Move the mass of a row by `by` places; what would leave stays at the edge. */
export function shiftRow(row, by) {
  const out = row.map(() => 0);
  row.forEach((weight, i) => { out[Math.min(row.length - 1, Math.max(0, i + by))] += weight; });
  return out;
}

/** A row as it goes into the state: four decimals that sum to one exactly enough. */
export function tidyRow(row) {
  const total = row.reduce((a, b) => a + b, 0);
  const out = row.map((weight) => Number((weight / total).toFixed(4)));
  const peak = argmax(out);
  out[peak] = Number((out[peak] + 1 - out.reduce((a, b) => a + b, 0)).toFixed(4));
  return out;
}
