// Operations that work on each number by itself, with broadcasting.

import { Tensor, broadcast, sizeOf, stretched, table } from "./tensor.js";

const RANK = { b8: 0, i64: 1, f32: 2, f64: 3 };
const isTensor = (value) => value instanceof Tensor;

/** torch's type promotion for the types that occur; scalars and 0-d tensors give way. */
function promote(a, b) {
  const kind = (x) => (isTensor(x) ? x.dtype : Number.isInteger(x) ? "i64" : "f32");
  const weak = (x) => !isTensor(x) || x.shape.length === 0;
  const [p, q] = [kind(a), kind(b)];
  if (weak(a) !== weak(b)) {
    const [strong, other] = weak(a) ? [q, p] : [p, q];
    if (RANK[strong] >= 2 && RANK[other] >= 2) return strong; // both are floating
  }
  // A whole scalar beside floats is written without its point: it must not narrow them.
  return RANK[p] >= RANK[q] ? p : q;
}

const dataOf = (x) => (isTensor(x) ? x.data : Float64Array.of(Number(x)));
const shapeOf = (x) => (isTensor(x) ? x.shape : []);

/** out = f(a, b) for each pair of numbers; either may be a plain number. */
function pairwise(plan, a, b, dtype, f) {
  const shape = broadcast(shapeOf(a), shapeOf(b));
  const [x, y, size] = [dataOf(a), dataOf(b), sizeOf(shape)];
  return plan.emit([a, b], shape, dtype, loop(x, y, size, f, shape, shapeOf(a), shapeOf(b)));
}

/** The tightest loop that reads both sides rightly. */
function loop(x, y, size, f, shape, shapeX, shapeY) {
  if (x.length === size && y.length === size) {
    return (out) => {
      for (let k = 0; k < size; k += 1) out[k] = f(x[k], y[k]);
    };
  }
  if (x.length === size && y.length === 1) {
    return (out) => {
      const value = y[0];
      for (let k = 0; k < size; k += 1) out[k] = f(x[k], value);
    };
  }
  const i = table(shape, stretched(shapeX, shape));
  const j = table(shape, stretched(shapeY, shape));
  return (out) => {
    for (let k = 0; k < size; k += 1) out[k] = f(x[i[k]], y[j[k]]);
  };
}

const arithmetic = (f) => (plan, a, b) => pairwise(plan, a, b, promote(a, b), f);
const floating = (f) => (plan, a, b) => {
  const dtype = promote(a, b);
  return pairwise(plan, a, b, RANK[dtype] < 2 ? "f32" : dtype, f);
};
const comparison = (f) => (plan, a, b) => pairwise(plan, a, b, "b8", f);

/** a + alpha·b, a − alpha·b. */
const scaled = (sign) => (plan, a, b, alpha = 1) => {
  const by = sign * alpha;
  return arithmetic((x, y) => x + by * y)(plan, a, b);
};

function divide(plan, a, b, mode = null) {
  if (mode === "floor") return arithmetic((x, y) => Math.floor(x / y))(plan, a, b);
  if (mode === "trunc") return arithmetic((x, y) => Math.trunc(x / y))(plan, a, b);
  return floating((x, y) => x / y)(plan, a, b);
}

const map = (f, dtypeOf = (a) => a.dtype) => (plan, a, ...args) => {
  const { data } = a;
  return plan.emit([a], a.shape, dtypeOf(a), (out) => {
    for (let k = 0; k < data.length; k += 1) out[k] = f(data[k], ...args);
  });
};
const toFloat = (a) => (RANK[a.dtype] < 2 ? "f32" : a.dtype);
const toBool = () => "b8";
const real = (f) => map((x) => f(x), toFloat);
const test = (f) => map((x) => f(x), toBool);

export const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** Half to even, as torch rounds. */
function round(x) {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/** The error function by its series and its continued fraction, to double precision. */
export function erf(x) {
  const z = Math.abs(x);
  if (z < 2.5) return erfSeries(x);
  return z > 6 ? Math.sign(x) : Math.sign(x) * (1 - erfcFraction(z));
}

function erfSeries(x) {
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n += 1) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function erfcFraction(z) {
  let fraction = z;
  for (let k = 60; k > 0; k -= 1) fraction = z + k / 2 / fraction;
  return Math.exp(-z * z) / Math.sqrt(Math.PI) / fraction;
}

function gelu(plan, a, approximate = "none") {
  const smooth = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  const exact = (x) => 0.5 * x * (1 + erf(x / Math.SQRT2));
  return real(approximate === "tanh" ? smooth : exact)(plan, a);
}

/** Limits are numbers, tensors or null. */
function clamp(plan, a, low = null, high = null) {
  const above = low === null ? a : arithmetic(Math.max)(plan, a, low);
  return high === null ? above : arithmetic(Math.min)(plan, above, high);
}

function where(plan, condition, a, b) {
  const shape = broadcast(broadcast(condition.shape, shapeOf(a)), shapeOf(b));
  const [c, x, y] = [condition.data, dataOf(a), dataOf(b)];
  const [i, j, k] = [condition.shape, shapeOf(a), shapeOf(b)].map((s) => table(shape, stretched(s, shape)));
  return plan.emit([condition, a, b], shape, promote(a, b), (out) => {
    for (let n = 0; n < out.length; n += 1) out[n] = c[i[n]] ? x[j[n]] : y[k[n]];
  });
}

function cast(plan, a, dtype = null) {
  if (dtype === null || dtype === a.dtype) return a;
  return map(dtype === "b8" ? (x) => (x ? 1 : 0) : (x) => x, () => dtype)(plan, a);
}

const same = (plan, a) => a;

// ---- new tensors --------------------------------------------------------------------

const dtypeFor = (value, dtype) => dtype ?? (typeof value === "boolean" ? "b8" : Number.isInteger(value) ? "i64" : "f32");

function full(plan, shape, value, dtype = null) {
  return plan.emit([value], shape, dtypeFor(value, dtype), (out) => out.fill(Number(isTensor(value) ? value.data[0] : value)));
}

const fullLike = (plan, a, value, dtype = null) => full(plan, a.shape, value, dtype ?? a.dtype);
const scalar = (plan, value, dtype = null) => full(plan, [], value, dtype);

function arange(plan, start, end, step = 1, dtype = null) {
  const length = Math.max(0, Math.ceil((end - start) / step));
  const kind = dtype ?? ([start, end, step].every(Number.isInteger) ? "i64" : "f32");
  return plan.emit([], [length], kind, (out) => {
    for (let k = 0; k < length; k += 1) out[k] = start + k * step;
  });
}

const both = (f) => ({ Tensor: f, Scalar: f });

/** { Tensor: f, Scalar: f } under `name` → "name.Tensor", "name.Scalar". */
const named = (name, overloads) =>
  Object.fromEntries(Object.entries(overloads).map(([overload, f]) => [`${name}.${overload}`, f]));

export const pointwise = {
  ...named("add", both(scaled(1))),
  ...named("sub", both(scaled(-1))),
  ...named("mul", both(arithmetic((x, y) => x * y))),
  ...named("div", { ...both(divide), Tensor_mode: divide, Scalar_mode: divide }),
  ...named("pow", { Tensor_Scalar: arithmetic(Math.pow), Tensor_Tensor: arithmetic(Math.pow), Scalar: arithmetic(Math.pow) }),
  ...named("remainder", both(arithmetic((x, y) => x - y * Math.floor(x / y)))),
  ...named("fmod", both(arithmetic((x, y) => x % y))),
  "maximum.default": arithmetic(Math.max),
  "minimum.default": arithmetic(Math.min),
  ...named("eq", both(comparison((x, y) => x === y))),
  ...named("ne", both(comparison((x, y) => x !== y))),
  ...named("lt", both(comparison((x, y) => x < y))),
  ...named("le", both(comparison((x, y) => x <= y))),
  ...named("gt", both(comparison((x, y) => x > y))),
  ...named("ge", both(comparison((x, y) => x >= y))),
  "logical_and.default": comparison((x, y) => Boolean(x && y)),
  "logical_or.default": comparison((x, y) => Boolean(x || y)),
  "logical_xor.default": comparison((x, y) => !x !== !y),
  ...named("bitwise_and", both(arithmetic((x, y) => x & y))),
  ...named("bitwise_or", both(arithmetic((x, y) => x | y))),
  ...named("bitwise_xor", both(arithmetic((x, y) => x ^ y))),
  "logical_not.default": test((x) => !x),
  "bitwise_not.default": (plan, a) => map(a.dtype === "b8" ? (x) => !x : (x) => ~x)(plan, a),
  "isnan.default": test(Number.isNaN),
  "isinf.default": test((x) => Math.abs(x) === Infinity),
  "neg.default": map((x) => -x),
  "abs.default": map((x) => Math.abs(x)),
  "sign.default": map((x) => Math.sign(x)),
  "relu.default": map((x) => (x < 0 ? 0 : x)),
  "floor.default": map((x) => Math.floor(x)),
  "ceil.default": map((x) => Math.ceil(x)),
  "trunc.default": map((x) => Math.trunc(x)),
  "round.default": map(round),
  "exp.default": real(Math.exp),
  "expm1.default": real(Math.expm1),
  "log.default": real(Math.log),
  "log1p.default": real(Math.log1p),
  "log2.default": real(Math.log2),
  "sqrt.default": real(Math.sqrt),
  "rsqrt.default": real((x) => 1 / Math.sqrt(x)),
  "reciprocal.default": real((x) => 1 / x),
  "sin.default": real(Math.sin),
  "cos.default": real(Math.cos),
  "tanh.default": real(Math.tanh),
  "sigmoid.default": real(sigmoid),
  "erf.default": real(erf),
  "gelu.default": gelu,
  "elu.default": (plan, a, alpha = 1, scale = 1, inner = 1) =>
    real((x) => scale * (x > 0 ? x : alpha * Math.expm1(inner * x)))(plan, a),
  "leaky_relu.default": (plan, a, slope = 0.01) => real((x) => (x > 0 ? x : slope * x))(plan, a),
  "hardtanh.default": (plan, a, low = -1, high = 1) => clamp(plan, a, low, high),
  ...named("clamp", { default: clamp, Tensor: clamp }),
  "where.self": where,
  "_to_copy.default": cast,
  "clone.default": same,
  "alias.default": same,
  "detach.default": same,
  "lift_fresh_copy.default": same,
  "full.default": full,
  "full_like.default": fullLike,
  "scalar_tensor.default": scalar,
  "arange.start_step": arange,
};
