// Operations that move numbers without changing them.

import { Tensor, axis, broadcast, lanes, sizeOf, strides, stretched, table } from "./tensor.js";

/** A strided reading of `a`; shares the buffer where the numbers lie in a row. */
function strided(plan, a, shape, steps, offset = 0) {
  const from = table(shape, steps, offset);
  if (from.every((position, k) => position === from[0] + k)) {
    return a.part(from[0] ?? 0, from.length, shape);
  }
  const { data } = a;
  return plan.emit([a], shape, a.dtype, (out) => {
    for (let k = 0; k < out.length; k += 1) out[k] = data[from[k]];
  });
}

function view(plan, a, shape) {
  const free = shape.indexOf(-1);
  if (free < 0) return a.as(shape);
  const known = -sizeOf(shape);
  return a.as(shape.map((size, d) => (d === free ? (known ? a.size / known : 0) : size)));
}

function unsqueeze(plan, a, dim) {
  const shape = a.shape.slice();
  shape.splice(axis(dim, shape.length + 1), 0, 1);
  return a.as(shape);
}

function squeeze(plan, a, dims) {
  const gone = new Set([dims].flat().map((dim) => axis(dim, a.shape.length)));
  return a.as(a.shape.filter((size, d) => !(gone.has(d) && size === 1)));
}

function permute(plan, a, order) {
  const own = strides(a.shape);
  const dims = order.map((dim) => axis(dim, a.shape.length));
  return strided(plan, a, dims.map((d) => a.shape[d]), dims.map((d) => own[d]));
}

function expand(plan, a, sizes) {
  const lead = sizes.length - a.shape.length;
  const shape = sizes.map((size, d) => (size === -1 ? a.shape[d - lead] : size));
  return strided(plan, a, shape, stretched(a.shape, shape));
}

/** start and end as Python slices take them: from the end if negative, cut to size. */
const clip = (position, size) => Math.max(0, Math.min(size, position < 0 ? position + size : position));

function slice(plan, a, dim = 0, start = null, end = null, step = 1) {
  const d = axis(dim, a.shape.length);
  const from = clip(start ?? 0, a.shape[d]);
  const to = Math.max(from, clip(end ?? Infinity, a.shape[d]));
  const [shape, steps] = [a.shape.slice(), strides(a.shape)];
  const offset = from * steps[d];
  shape[d] = Math.ceil((to - from) / step);
  steps[d] *= step;
  return strided(plan, a, shape, steps, offset);
}

function select(plan, a, dim, index) {
  const d = axis(dim, a.shape.length);
  const one = slice(plan, a, d, axis(index, a.shape[d]), axis(index, a.shape[d]) + 1);
  return one.as(a.shape.filter((_, i) => i !== d));
}

function split(plan, a, sizes, dim = 0) {
  let start = 0;
  return sizes.map((size) => slice(plan, a, dim, start, (start += size)));
}

function flip(plan, a, dims) {
  const steps = strides(a.shape);
  let offset = 0;
  for (const dim of dims.map((each) => axis(each, a.shape.length))) {
    offset += steps[dim] * (a.shape[dim] - 1);
    steps[dim] = -steps[dim];
  }
  return a.size ? strided(plan, a, a.shape, steps, offset) : a;
}

function unfold(plan, a, dim, size, step) {
  const d = axis(dim, a.shape.length);
  const [shape, steps] = [a.shape.slice(), strides(a.shape)];
  const along = steps[d];
  shape[d] = Math.floor((a.shape[d] - size) / step) + 1;
  steps[d] = along * step;
  return strided(plan, a, [...shape, size], [...steps, along]);
}

/** Repeats as a view with one more dimension, of stride 0, before each old one. */
function repeat(plan, a, times) {
  const shape = [...new Array(times.length - a.shape.length).fill(1), ...a.shape];
  const own = strides(shape);
  const wide = shape.flatMap((size, d) => [times[d], size]);
  const steps = shape.flatMap((_, d) => [0, own[d]]);
  return strided(plan, a, wide, steps).as(shape.map((size, d) => size * times[d]));
}

function cat(plan, tensors, dim = 0) {
  const parts = tensors.filter((tensor) => tensor.size);
  if (parts.length < 2) return parts[0] ?? tensors[tensors.length - 1];
  const d = axis(dim, parts[0].shape.length);
  const shape = parts[0].shape.slice();
  shape[d] = parts.reduce((sum, part) => sum + part.shape[d], 0);
  const out = Tensor.empty(shape, parts[0].dtype);
  const copies = blocks(out, parts, d);
  plan.step(parts, [out], () => {
    for (const [target, source] of copies) target.set(source);
  });
  return out;
}

/** [target, source] pieces to copy, cut once while planning. */
function blocks(out, parts, d) {
  const { outer, n, inner } = lanes(out.shape, d);
  const copies = [];
  let start = 0;
  for (const part of parts) {
    const width = part.shape[d] * inner;
    for (let o = 0; o < outer; o += 1) {
      const at = o * n * inner + start;
      copies.push([out.data.subarray(at, at + width), part.data.subarray(o * width, (o + 1) * width)]);
    }
    start += width;
  }
  return copies;
}

/** `source` written into a copy of `a` at the places that `window` cuts out of it. */
function overlay(plan, a, source, window) {
  const places = new Tensor(Int32Array.from({ length: a.size }, (_, k) => k), a.shape, "i64", true);
  const target = window(places).data;
  const [under, over] = [a.data, source.data];
  return plan.emit([a, source], a.shape, a.dtype, (out) => {
    out.set(under);
    for (let k = 0; k < target.length; k += 1) out[target[k]] = over[k];
  });
}

/** `source` stretched to the shape of `a`, in the type of `a`. */
function copy(plan, a, source) {
  const wide = expand(plan, source, a.shape);
  if (wide.dtype === a.dtype) return wide;
  return plan.emit([wide], a.shape, a.dtype, (out) => out.set(wide.data));
}

const sliceScatter = (plan, a, source, ...where) => overlay(plan, a, source, (t) => slice(plan, t, ...where));
const selectScatter = (plan, a, source, ...where) => overlay(plan, a, source, (t) => select(plan, t, ...where));

function pad(plan, a, widths, value = 0) {
  const before = a.shape.map((_, d) => widths[2 * (a.shape.length - 1 - d)] ?? 0);
  const after = a.shape.map((_, d) => widths[2 * (a.shape.length - 1 - d) + 1] ?? 0);
  if ([...before, ...after].some((width) => width < 0)) throw new Error("padding by a negative width");
  const shape = a.shape.map((size, d) => before[d] + size + after[d]);
  const steps = strides(shape);
  const target = table(a.shape, steps, before.reduce((sum, width, d) => sum + width * steps[d], 0));
  const { data } = a;
  return plan.emit([a], shape, a.dtype, (out) => {
    out.fill(Number(value));
    for (let k = 0; k < target.length; k += 1) out[target[k]] = data[k];
  });
}

// ---- reading at places that are known only when running ------------------------------

/** An index as it came, checked: a wrong one would read a neighbour's number. */
function within(index, size) {
  const place = index < 0 ? index + size : index;
  if (place < 0 || place >= size) throw new Error(`index ${index} is outside 0…${size - 1}`);
  return place;
}

/** Rows `index` of dimension `dim`; the index's own shape takes its place. */
function take(plan, a, dim, index) {
  const d = axis(dim, a.shape.length);
  const { outer, n, inner } = lanes(a.shape, d);
  const shape = [...a.shape.slice(0, d), ...index.shape, ...a.shape.slice(d + 1)];
  const [from, rows] = [a.data, index.data];
  return plan.emit([a, index], shape, a.dtype, (out) => {
    let k = 0;
    for (let o = 0; o < outer; o += 1) {
      for (let r = 0; r < rows.length; r += 1) {
        const base = (o * n + within(rows[r], n)) * inner;
        for (let i = 0; i < inner; i += 1, k += 1) out[k] = from[base + i];
      }
    }
  });
}

/** out[…, k, …] = a[…, index[…, k, …], …] */
function gather(plan, a, dim, index) {
  const d = axis(dim, a.shape.length);
  const steps = strides(a.shape);
  const base = table(index.shape, steps.map((step, i) => (i === d ? 0 : step)));
  const [from, rows] = [a.data, index.data];
  return plan.emit([a, index], index.shape, a.dtype, (out) => {
    for (let k = 0; k < out.length; k += 1) out[k] = from[base[k] + within(rows[k], a.shape[d]) * steps[d]];
  });
}

/** A copy of `a` with out[…, index, …] = source; source is a tensor or a number. */
function scatter(plan, a, dim, index, source) {
  const d = axis(dim, a.shape.length);
  const steps = strides(a.shape);
  const base = table(index.shape, steps.map((step, i) => (i === d ? 0 : step)));
  const over = source instanceof Tensor ? table(index.shape, strides(source.shape)) : null;
  const [under, rows] = [a.data, index.data];
  return plan.emit([a, index, source], a.shape, a.dtype, (out) => {
    out.set(under);
    for (let k = 0; k < rows.length; k += 1) {
      const value = over ? source.data[over[k]] : Number(source);
      out[base[k] + within(rows[k], a.shape[d]) * steps[d]] = value;
    }
  });
}

/** a[i, j, :, …]: index tensors for neighbouring dimensions, null for whole ones. */
function index(plan, a, indices) {
  const dims = indices.flatMap((each, d) => (each === null ? [] : [d]));
  const [first, last] = [dims[0], dims[dims.length - 1]];
  if (last - first + 1 !== dims.length) throw new Error("indices of dimensions that are no neighbours");
  const used = dims.map((d) => indices[d]);
  if (used.some(({ dtype }) => dtype === "b8")) throw new Error("indexing by a mask");
  const middle = used.map((each) => each.shape).reduce(broadcast);
  const shape = [...a.shape.slice(0, first), ...middle, ...a.shape.slice(last + 1)];
  const steps = strides(a.shape);
  const still = [...steps.slice(0, first), ...middle.map(() => 0), ...steps.slice(last + 1)];
  const base = table(shape, still);
  const inside = shape.map((_, d) => d >= first && d < first + middle.length);
  const readers = used.map((each, n) => {
    const own = stretched(each.shape, middle);
    const at = shape.map((_, d) => (inside[d] ? own[d - first] : 0));
    return { data: each.data, at: table(shape, at), size: a.shape[dims[n]], step: steps[dims[n]] };
  });
  const { data } = a;
  return plan.emit([a, ...used], shape, a.dtype, (out) => {
    for (let k = 0; k < out.length; k += 1) {
      let place = base[k];
      for (const { data: rows, at, size, step } of readers) place += within(rows[at[k]], size) * step;
      out[k] = data[place];
    }
  });
}

// ---- sizes, where a length is free ---------------------------------------------------

const sizes = {
  "sym_size.int": (plan, a, dim) => a.shape[axis(dim, a.shape.length)],
  "sym.add": (plan, a, b) => a + b,
  "sym.sub": (plan, a, b) => a - b,
  "sym.mul": (plan, a, b) => a * b,
  "sym.floordiv": (plan, a, b) => Math.floor(a / b),
};

export const shapes = {
  "view.default": view,
  "_unsafe_view.default": view,
  "reshape.default": view,
  "unsqueeze.default": unsqueeze,
  "squeeze.dims": squeeze,
  "squeeze.dim": squeeze,
  "permute.default": permute,
  "expand.default": expand,
  "slice.Tensor": slice,
  "select.int": select,
  "split_with_sizes.default": split,
  "flip.default": flip,
  "unfold.default": unfold,
  "repeat.default": repeat,
  "cat.default": cat,
  "slice_scatter.default": sliceScatter,
  "select_scatter.default": selectScatter,
  "constant_pad_nd.default": pad,
  "copy.default": copy,
  "embedding.default": (plan, weight, rows) => take(plan, weight, 0, rows),
  "index_select.default": take,
  "gather.default": gather,
  "scatter.src": scatter,
  "scatter.value": scatter,
  "index.Tensor": index,
  ...sizes,
};
