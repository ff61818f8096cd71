// What a method costs, by formula; the same as in attnkit/live/cost.py.

/** Pairs of query and key within a window. */
export function pairs(n, window) {
  const side = Math.min(window, n - 1);
  return n * (2 * side + 1) - side * (side + 1);
}

/** Operations of one head: a product of (a, b) and (b, c) counts 2abc, softmax 5 a score. */
export function operations(method, n, d, window, rows) {
  const r = Math.min(rows, n);
  return {
    full: () => n * n * (4 * d + 5) + n * d,
    window: () => pairs(n, window) * (4 * d + 5) + n * d,
    linear: () => 4 * n * d * d + 9 * n * d,
    features: () => 8 * n * d * rows + 9 * n * rows + 7 * n * d,
    pooled: () => n * r * (4 * d + 5) + 3 * n * d,
    landmarks: () => n * r * (8 * d + 10) + r * r * (4 * d + 5) + r ** 3 + 4 * n * d,
  }[method]();
}

/** Numbers that stand between input and output at the same time. */
export function kept(method, n, d, window, rows) {
  const r = Math.min(rows, n);
  return {
    full: () => n * n,
    window: () => pairs(n, window),
    linear: () => 2 * n * d + d * (d + 1),
    features: () => 2 * n * rows + rows * (d + 1),
    pooled: () => n * r + 2 * r * d,
    landmarks: () => 2 * n * r + r * r + 3 * r * d,
  }[method]();
}

/** The least length at which a method takes fewer operations than full attention. */
export function crossing(method, d, window, rows, most = 32768) {
  for (let n = 2; n < most; n += 1) {
    if (operations(method, n, d, window, rows) < operations("full", n, d)) return n;
  }
  return null;
}
