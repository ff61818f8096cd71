// The methods, row by row; each row is a place where the page may breathe.

import { normals } from "./text.js";

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
export const identity = (n) => new Float64Array(n * n).map((_, i) => Number(i % (n + 1) === 0));

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
