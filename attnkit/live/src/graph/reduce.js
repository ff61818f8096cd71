// Operations that fold, order or normalize along dimensions.

import { Tensor, axis, lanes, sizeOf, strides, table } from "./tensor.js";

/** Where each result starts reading, and the offsets that it folds over. */
function folds(shape, dims) {
  const all = shape.map((_, d) => d);
  const given = dims === null || dims.length === 0 ? all : dims.map((dim) => axis(dim, shape.length));
  const own = strides(shape);
  const pick = (keep) => all.filter((d) => given.includes(d) !== keep);
  const [kept, folded] = [pick(true), pick(false)];
  const read = (some) => table(some.map((d) => shape[d]), some.map((d) => own[d]));
  return { starts: read(kept), offsets: read(folded), kept, folded };
}

/** A reduction: out = end(fold of the numbers, how many). */
function fold(plan, a, dims, keep, dtype, { first, next, end = (x) => x }) {
  const { starts, offsets, folded, kept } = folds(a.shape, dims);
  const shape = keep ? a.shape.map((size, d) => (folded.includes(d) ? 1 : size)) : kept.map((d) => a.shape[d]);
  const { data } = a;
  return plan.emit([a], shape, dtype, (out) => {
    for (let k = 0; k < out.length; k += 1) {
      let value = first;
      for (let i = 0; i < offsets.length; i += 1) value = next(value, data[starts[k] + offsets[i]]);
      out[k] = end(value, offsets.length);
    }
  });
}

const listed = (dims) => (typeof dims === "number" ? [dims] : dims);
const summed = (a, dtype) => dtype ?? (a.dtype === "b8" ? "i64" : a.dtype);
const ADD = { first: 0, next: (sum, x) => sum + x };
const MEAN = { ...ADD, end: (sum, n) => sum / n };
const MAX = { first: -Infinity, next: (best, x) => (x > best || x !== x ? x : best) };
const MIN = { first: Infinity, next: (best, x) => (x < best || x !== x ? x : best) };
const ANY = { first: 0, next: (any, x) => any || (x ? 1 : 0) };
const ALL = { first: 1, next: (all, x) => all && (x ? 1 : 0) };

const sum = (plan, a, dims = null, keep = false, dtype = null) => fold(plan, a, listed(dims), keep, summed(a, dtype), ADD);
const mean = (plan, a, dims = null, keep = false) => fold(plan, a, listed(dims), keep, a.dtype, MEAN);
const prod = (plan, a, dims = null, keep = false) =>
  fold(plan, a, listed(dims), keep, summed(a), { first: 1, next: (product, x) => product * x });
const extreme = (how) => (plan, a, dims = [], keep = false) => fold(plan, a, listed(dims), keep, a.dtype, how);
const truth = (how) => (plan, a, dims = null, keep = false) => fold(plan, a, listed(dims), keep, "b8", how);

function variance(plan, a, dims = null, correction = 1, keep = false) {
  const centre = fold(plan, a, listed(dims), true, "f64", MEAN);
  // Two passes over the numbers themselves: E[x²] − E[x]² would lose the digits.
  const { starts, offsets, folded, kept } = folds(a.shape, listed(dims));
  const shape = keep ? a.shape.map((size, d) => (folded.includes(d) ? 1 : size)) : kept.map((d) => a.shape[d]);
  const { data } = a;
  return plan.emit([a, centre], shape, a.dtype, (out) => {
    for (let k = 0; k < out.length; k += 1) {
      let total = 0;
      for (const offset of offsets) total += (data[starts[k] + offset] - centre.data[k]) ** 2;
      out[k] = total / Math.max(0, offsets.length - (correction ?? 1));
    }
  });
}

function norm(plan, a, order = 2, dims = null, keep = false) {
  const how =
    order === Infinity ? { first: 0, next: (best, x) => Math.max(best, Math.abs(x)) }
    : { first: 0, next: (total, x) => total + Math.abs(x) ** order, end: (total) => total ** (1 / order) };
  return fold(plan, a, listed(dims), keep, a.dtype, how);
}

// ---- along one dimension, lane by lane -----------------------------------------------

/** compute(read(i), write(i, value)) for every lane along `dim`. */
function alongLanes(a, dim, visit) {
  const { outer, n, inner } = lanes(a.shape, dim);
  for (let o = 0; o < outer; o += 1) {
    for (let i = 0; i < inner; i += 1) visit(o * n * inner + i, inner, n, o * inner + i);
  }
}

function softmax(plan, a, dim) {
  const { data } = a;
  return plan.emit([a], a.shape, a.dtype, (out) =>
    alongLanes(a, dim, (start, step, n) => {
      const top = largest(data, start, step, n);
      let total = 0;
      for (let k = 0, at = start; k < n; k += 1, at += step) total += out[at] = Math.exp(data[at] - top);
      for (let k = 0, at = start; k < n; k += 1, at += step) out[at] /= total;
    }),
  );
}

function logSoftmax(plan, a, dim) {
  const { data } = a;
  return plan.emit([a], a.shape, a.dtype, (out) =>
    alongLanes(a, dim, (start, step, n) => {
      const top = largest(data, start, step, n);
      let total = 0;
      for (let k = 0, at = start; k < n; k += 1, at += step) total += Math.exp(data[at] - top);
      const shift = top + Math.log(total);
      for (let k = 0, at = start; k < n; k += 1, at += step) out[at] = data[at] - shift;
    }),
  );
}

function largest(data, start, step, n) {
  let top = -Infinity;
  for (let k = 0, at = start; k < n; k += 1, at += step) if (data[at] > top) top = data[at];
  return top;
}

function running(f, first) {
  return (plan, a, dim) =>
    plan.emit([a], a.shape, summed(a), (out) =>
      alongLanes(a, dim, (start, step, n) => {
        let value = first;
        for (let k = 0, at = start; k < n; k += 1, at += step) out[at] = value = f(value, a.data[at]);
      }),
    );
}

/** The place of the best number, the first of equals; over all numbers if dim is null. */
function best(better) {
  return (plan, a, dim = null, keep = false) => {
    const flat = dim === null ? a.as([a.size]) : a;
    const d = axis(dim ?? 0, flat.shape.length);
    const reduced = flat.shape.map((size, i) => (i === d ? 1 : size));
    const shape = dim === null ? (keep ? a.shape.map(() => 1) : []) : keep ? reduced : reduced.filter((_, i) => i !== d);
    return plan.emit([a], shape, "i64", (out) =>
      alongLanes(flat, d, (start, step, n, lane) => {
        let place = 0;
        for (let k = 1; k < n; k += 1) {
          if (better(flat.data[start + k * step], flat.data[start + place * step])) place = k;
        }
        out[lane] = place;
      }),
    );
  };
}

const argmax = best((x, y) => x > y);
const argmin = best((x, y) => x < y);

/** max or min along a dimension, with places. */
const valueAndPlace = (how, where) => (plan, a, dim, keep = false) => [
  extreme(how)(plan, a, [dim], keep),
  where(plan, a, dim, keep),
];

/** The first `k` of each lane in order, as [values, places]. */
function ordered(plan, a, dim, descending, k) {
  const d = axis(dim, a.shape.length);
  const shape = a.shape.map((size, i) => (i === d ? k : size));
  const [values, places] = [Tensor.empty(shape, a.dtype), Tensor.empty(shape, "i64")];
  const sign = descending ? -1 : 1;
  plan.step([a], [values, places], () => {
    const { inner } = lanes(a.shape, d);
    alongLanes(a, d, (start, step, n, lane) => {
      const order = Array.from({ length: n }, (_, i) => i);
      order.sort((i, j) => sign * (a.data[start + i * step] - a.data[start + j * step]) || i - j);
      const base = Math.floor(lane / inner) * k * inner + (lane % inner);
      for (let i = 0; i < k; i += 1) {
        values.data[base + i * inner] = a.data[start + order[i] * step];
        places.data[base + i * inner] = order[i];
      }
    });
  });
  return [values, places];
}

const sort = (plan, a, dim = -1, descending = false) => ordered(plan, a, dim, descending, a.shape[axis(dim, a.shape.length)]);
const topk = (plan, a, k, dim = -1, largestFirst = true) => ordered(plan, a, dim, largestFirst, k);

/** Over the last dimensions, with optional gain and shift: [output, mean, 1/deviation]. */
function layerNorm(plan, a, normalized, weight = null, bias = null, eps = 1e-5) {
  const n = sizeOf(normalized);
  const rows = a.size / n;
  const shape = a.shape.map((size, d) => (d < a.shape.length - normalized.length ? size : 1));
  const outs = [Tensor.empty(a.shape, a.dtype), Tensor.empty(shape, a.dtype), Tensor.empty(shape, a.dtype)];
  const [out, centre, scale] = outs.map(({ data }) => data);
  const { data } = a;
  plan.step([a, weight, bias].filter(Boolean), outs, () => {
    for (let r = 0, at = 0; r < rows; r += 1, at += n) {
      let total = 0;
      for (let i = 0; i < n; i += 1) total += data[at + i];
      const middle = total / n;
      let spread = 0;
      for (let i = 0; i < n; i += 1) spread += (data[at + i] - middle) ** 2;
      const by = 1 / Math.sqrt(spread / n + eps);
      for (let i = 0; i < n; i += 1) {
        const value = (data[at + i] - middle) * by;
        out[at + i] = (weight ? value * weight.data[i] : value) + (bias ? bias.data[i] : 0);
      }
      centre[r] = middle;
      scale[r] = by;
    }
  });
  return outs;
}

export const reductions = {
  "sum.dim_IntList": sum,
  "sum.default": (plan, a, dtype = null) => sum(plan, a, null, false, dtype),
  "mean.dim": mean,
  "mean.default": (plan, a) => mean(plan, a),
  "prod.dim_int": prod,
  "amax.default": extreme(MAX),
  "amin.default": extreme(MIN),
  "max.dim": valueAndPlace(MAX, argmax),
  "min.dim": valueAndPlace(MIN, argmin),
  "any.default": truth(ANY),
  "any.dim": truth(ANY),
  "any.dims": truth(ANY),
  "all.default": truth(ALL),
  "all.dim": truth(ALL),
  "var.correction": variance,
  "linalg_vector_norm.default": norm,
  "argmax.default": argmax,
  "argmin.default": argmin,
  "_softmax.default": softmax,
  "_log_softmax.default": logSoftmax,
  "cumsum.default": running((total, x) => total + x, 0),
  "cumprod.default": running((product, x) => product * x, 1),
  "sort.default": sort,
  "sort.stable": (plan, a, _stable, dim, descending) => sort(plan, a, dim, descending),
  "topk.default": topk,
  "native_layer_norm.default": layerNorm,
};
