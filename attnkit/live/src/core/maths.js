// The closed formulas that widgets share. Every function is pure; tests compare them
// with PyTorch in float64.

/** Sum of products of two vectors. */
export const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Euclidean length. */
export const norm = (a) => Math.sqrt(dot(a, a));

/** Index of the largest number; the first one wins a tie. */
export const argmax = (a) => a.reduce((best, value, i) => (value > a[best] ? i : best), 0);

/** exp(e_i) / sum_j exp(e_j), computed so that nothing overflows. */
export function softmax(scores) {
  const top = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / total);
}

/** One on the largest score, zero elsewhere. */
export const hard = (scores) => scores.map((_, i) => Number(i === argmax(scores)));

/** sum_i a_i v_i. */
export function aggregate(weights, values) {
  return values[0].map((_, axis) => weights.reduce((sum, w, i) => sum + w * values[i][axis], 0));
}

/** Entropy in nats; 0 is one-hot, log(n) is uniform. */
export const entropy = (weights) =>
  -weights.reduce((sum, w) => sum + (w > 0 ? w * Math.log(w) : 0), 0);

/** Frobenius norm of the Jacobian of softmax, diag(a) - a a^T. */
export function jacobianNorm(weights) {
  const entry = (a, i, b, j) => a * (i === j ? 1 - a : b);
  return Math.hypot(...weights.flatMap((a, i) => weights.map((b, j) => entry(a, i, b, j))));
}

/** Corners of the convex hull of points in the plane, anticlockwise. */
export function hull(points) {
  const sorted = points.map((p) => [...p]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const chain = (list) => {
    const out = [];
    for (const p of list) {
      while (out.length > 1 && turn(out[out.length - 2], out[out.length - 1], p) <= 0) out.pop();
      out.push(p);
    }
    return out.slice(0, -1);
  };
  const corners = [...chain(sorted), ...chain(sorted.reverse())];
  return corners.length ? corners : sorted.slice(0, 1);
}

/** Twice the signed area of a triangle: positive when a → b → c turns left. */
const turn = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);

/** Whether a point lies in the hull of others, up to a tolerance in length. */
export function insideHull(point, points, tolerance = 1e-9) {
  const corners = hull(points);
  if (corners.length < 3) return true; // on a segment: nothing to leave by turning
  return corners.every((corner, i) => {
    const next = corners[(i + 1) % corners.length];
    const edge = norm([next[0] - corner[0], next[1] - corner[1]]) || 1;
    return turn(corner, next, point) / edge >= -tolerance;
  });
}

/** Numbers of a packed array: nested lists, or {shape, b64, dtype, scale}. */
export function unpackArray(packed) {
  if (Array.isArray(packed)) return packed.flat(Infinity);
  const bytes = Uint8Array.from(atob(packed.b64), (letter) => letter.charCodeAt(0));
  const kinds = { float32: Float32Array, int16: Int16Array, float64: Float64Array };
  const raw = new kinds[packed.dtype](bytes.buffer);
  return Array.from(raw, (value) => value * (packed.scale ?? 1));
}
