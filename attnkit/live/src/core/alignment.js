// The numbers of an alignment: rows of weights from outputs to source positions.

import { num } from "./format.js";
import { argmax, entropy } from "./maths.js";

/** Numbers of one board: sums, peaks, entropy, and how often the peak is true. */
export function forward({ weights, truth }) {
  const peaks = weights.map(argmax);
  const known = (truth ?? []).map((places, t) => [places, t]).filter(([places]) => places.length);
  const hits = known.filter(([places, t]) => places.includes(peaks[t])).length;
  return {
    row_sums: weights.map((row) => row.reduce((a, b) => a + b, 0)),
    peaks,
    entropy: weights.map(entropy),
    pointing: known.length ? hits / known.length : null,
  };
}

/** The equation of a step: the context as a sum over its largest weights. What is summed
 * is a state `h` of the encoder, unless it is said to be something else. */
export function contextLines(source, output, weights, step, place, value = "h") {
  const row = weights[step];
  const top = [...row.keys()].sort((a, b) => row[b] - row[a]).slice(0, 3);
  const whole = row.reduce((sum, x) => sum + x, 0);
  const rest = whole - top.reduce((sum, i) => sum + row[i], 0);
  if (!whole) {
    return [
      { name: "weight", parts: [`*a*_${step + 1},${place + 1}_ = `, { text: "0", pick: { source: place, output: step }, kind: "weight" }] },
      { name: "context", parts: [`*c*_${step + 1}_ = 0: ${output[step]} may see nothing`] },
    ];
  }
  return [
    { name: "weight", parts: [`*a*_${step + 1},${place + 1}_ (${output[step]} reads ${source[place]}) = `, { text: num(row[place], 3), pick: { source: place, output: step }, kind: "weight" }] },
    { name: "context", parts: [`*c*_${step + 1}_ = `, ...top.flatMap((i, n) => [n ? " + " : "", { text: `${num(row[i])} *${value}*_${source[i]}_`, pick: { source: i, output: step }, kind: "value" }]),
      ...(source.length > 3 ? [` + … (${num(Math.max(0, rest))} on the others)`] : [])] },
  ];
}
