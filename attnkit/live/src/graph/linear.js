// Matrix products, where nearly all of the time goes, and convolution.

import { Tensor, sizeOf, stretched, table } from "./tensor.js";

const turned = new WeakMap(); // weights' data -> the same matrices, transposed

/** b (batch, k, n) as (batch, n, k): both sides of a dot product are then read in a row. */
function transposed(b) {
  if (!turned.has(b.data)) {
    const [k, n] = b.shape.slice(-2);
    const data = new b.data.constructor(b.size);
    for (let start = 0; start < b.size; start += k * n) {
      for (let i = 0; i < k; i += 1) {
        for (let j = 0; j < n; j += 1) data[start + j * k + i] = b.data[start + i * n + j];
      }
    }
    turned.set(b.data, data);
  }
  return turned.get(b.data);
}

/** Σ a·b over `k` numbers from given places on, in double precision. */
function dot(a, at, b, bt, k) {
  let [s, t] = [0, 0];
  let l = 0;
  for (; l + 1 < k; l += 2) {
    s += a[at + l] * b[bt + l];
    t += a[at + l + 1] * b[bt + l + 1];
  }
  return l < k ? s + t + a[at + l] * b[bt + l] : s + t;
}

/** out (m, n) = base + a (m, k) · bᵀ (n, k); base is a row, a whole matrix or null. */
function dots(out, a, bt, m, k, n, base) {
  for (let i = 0; i < m; i += 1) {
    for (let j = 0; j < n; j += 1) {
      out[i * n + j] = dot(a, i * k, bt, j * k, k) + (base === null ? 0 : base[base.length === n ? j : i * n + j]);
    }
  }
}

/** out = a · b for each matrix of a batch, row by row into a row of double precision. */
function products(out, a, b, batch, m, k, n) {
  const row = new Float64Array(n);
  for (let r = 0; r < batch * m; r += 1) {
    const from = Math.floor(r / m) * k * n;
    row.fill(0);
    for (let l = 0; l < k; l += 1) {
      const by = a[r * k + l];
      for (let j = 0, at = from + l * n; j < n; j += 1, at += 1) row[j] += by * b[at];
    }
    out.set(row, r * n);
  }
}

/** The same where b is constant: dot products with its transpose. */
function productsByWeights(out, a, bt, batch, m, k, n) {
  for (let r = 0; r < batch * m; r += 1) {
    const from = Math.floor(r / m) * k * n;
    for (let j = 0; j < n; j += 1) out[r * n + j] = dot(a, r * k, bt, from + j * k, k);
  }
}

function bmm(plan, a, b) {
  const [[batch, m, k], [, , n]] = [a.shape, b.shape];
  const how = b.constant ? productsByWeights : products;
  const right = b.constant ? transposed(b) : b.data;
  return plan.emit([a, b], [batch, m, n], a.dtype, (out) => how(out, a.data, right, batch, m, k, n));
}

const mm = (plan, a, b) => bmm(plan, a.as([1, ...a.shape]), b.as([1, ...b.shape])).as([a.shape[0], b.shape[1]]);

/** beta·bias + alpha·a·b; what a linear layer is exported as. */
function addmm(plan, bias, a, b, beta = 1, alpha = 1) {
  const [[m, k], [, n]] = [a.shape, b.shape];
  const rowOrWhole = bias.size === n || bias.size === m * n;
  if (b.constant && rowOrWhole && beta === 1 && alpha === 1) {
    const bt = transposed(b);
    return plan.emit([bias, a, b], [m, n], a.dtype, (out) => dots(out, a.data, bt, m, k, n, bias.data));
  }
  const product = mm(plan, a, b);
  const at = table([m, n], stretched(bias.shape, [m, n]));
  return plan.emit([bias, product], [m, n], a.dtype, (out) => {
    for (let i = 0; i < out.length; i += 1) out[i] = beta * bias.data[at[i]] + alpha * product.data[i];
  });
}

// ---- convolution ----------------------------------------------------------------------

/** Sizes of a convolution over (rows, columns); one-dimensional ones get one row. */
function window(size, kernel, stride, padding, dilation) {
  return Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

function convolution(plan, input, weight, bias, stride, padding, dilation, across, _extra, groups) {
  if (across) throw new Error("transposed convolution");
  const rank = input.shape.length - 2;
  if (rank > 2) throw new Error("convolution over three dimensions");
  const one = (values, fill) => (rank === 2 ? values : [fill, ...values]);
  const [B, C, ...size] = input.shape;
  const [O, , ...kernel] = weight.shape;
  const [[H, W], [P, Q]] = [one(size, 1), one(kernel, 1)];
  const [[sy, sx], [py, px], [dy, dx]] = [one(stride, 1), one(padding, 0), one(dilation, 1)];
  const [Y, X] = [window(H, P, sy, py, dy), window(W, Q, sx, px, dx)];
  const [c, o] = [C / groups, O / groups];
  const shape = [B, O, ...(rank === 2 ? [Y, X] : [X])];
  const [from, by] = [input.data, weight.data];

  function at(b, k, y, x) {
    let total = bias ? bias.data[k] : 0;
    const group = Math.floor(k / o);
    for (let i = 0; i < c; i += 1) {
      const plane = (b * C + group * c + i) * H;
      for (let p = 0; p < P; p += 1) {
        const row = y * sy - py + p * dy;
        if (row < 0 || row >= H) continue;
        for (let q = 0; q < Q; q += 1) {
          const column = x * sx - px + q * dx;
          if (column >= 0 && column < W) total += from[(plane + row) * W + column] * by[((k * c + i) * P + p) * Q + q];
        }
      }
    }
    return total;
  }

  return plan.emit([input, weight, ...(bias ? [bias] : [])], shape, input.dtype, (out) => {
    for (let n = 0; n < out.length; n += 1) {
      const x = n % X;
      const y = Math.floor(n / X) % Y;
      const k = Math.floor(n / (X * Y)) % O;
      out[n] = at(Math.floor(n / (X * Y * O)), k, y, x);
    }
  });
}

/** Largest of each window, with its place in the plane: [values, places]. */
function maxPool(plan, input, kernel, stride = [], padding = [0], dilation = [1], ceil = false) {
  if (ceil) throw new Error("pooling with rounded-up size");
  const two = (values) => (values.length === 2 ? values : [values[0], values[0]]);
  const [H, W] = input.shape.slice(-2);
  const [[P, Q], [sy, sx]] = [two(kernel), two(stride.length ? stride : kernel)];
  const [[py, px], [dy, dx]] = [two(padding), two(dilation)];
  const [Y, X] = [window(H, P, sy, py, dy), window(W, Q, sx, px, dx)];
  const shape = [...input.shape.slice(0, -2), Y, X];
  const [values, places] = [Tensor.empty(shape, input.dtype), Tensor.empty(shape, "i64")];

  function largest(plane, y, x) {
    let place = -1;
    for (let p = 0; p < P; p += 1) {
      for (let q = 0; q < Q; q += 1) {
        const [row, column] = [y * sy - py + p * dy, x * sx - px + q * dx];
        if (row < 0 || row >= H || column < 0 || column >= W) continue;
        const here = row * W + column;
        if (place < 0 || input.data[plane + here] > input.data[plane + place]) place = here;
      }
    }
    return place;
  }

  plan.step([input], [values, places], () => {
    for (let n = 0; n < sizeOf(shape); n += 1) {
      const plane = Math.floor(n / (X * Y)) * H * W;
      places.data[n] = largest(plane, Math.floor(n / X) % Y, n % X);
      values.data[n] = input.data[plane + places.data[n]];
    }
  });
  return [values, places];
}

export const linear = {
  "mm.default": mm,
  "addmm.default": addmm,
  "bmm.default": bmm,
  "convolution.default": convolution,
  "max_pool2d_with_indices.default": maxPool,
};
