// Numbers as a reader sees them: fixed digits, a true minus sign, no "-0.00".

/** `num(-0.004, 2)` is "0.00"; `num(-1.5, 1)` is "−1.5". */
export function num(value, digits = 2) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "–" : value > 0 ? "∞" : "−∞";
  const words = Math.abs(value).toFixed(digits);
  return value < 0 && Number(words) !== 0 ? `−${words}` : words;
}

/** A vector as "(1.30, −0.75)". */
export const vec = (values, digits = 2) => `(${values.map((v) => num(v, digits)).join(", ")})`;

/** A weight as a percentage for speech: 0.637 is "64 %". */
export const percent = (weight) => `${Math.round(100 * weight)} %`;

/** Keep a number inside a range. */
export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Round to a step without the dust of binary fractions. */
export const snap = (value, step = 0.01) => Number((Math.round(value / step) * step).toFixed(6));

/** 16 300 000 is "16.3 M", on one line. */
export function big(value) {
  const [unit, size] = [["\u00a0G", 1e9], ["\u00a0M", 1e6], ["\u00a0k", 1e3]].find(([, s]) => value >= s) ?? ["", 1];
  return `${Number((value / size).toPrecision(3))}${unit}`;
}
