// What a method loses, and all that the widget shows of one state.

import { whole } from "../../core/slices.js";
import { contexts, identity } from "./contexts.js";
import { crossing, kept, operations } from "./formulas.js";
import { written } from "./text.js";

const length = (x) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));

/** How far contexts are from the exact ones: [method][length]. */
export function* errors(state, { methods, sizes, seed }) {
  const found = methods.map(() => []);
  for (const n of sizes) {
    const rows = yield* written(state, n, seed);
    const exact = yield* contexts("full", rows, state, state.width, seed);
    for (let i = 0; i < methods.length; i += 1) {
      const cheap = i ? yield* contexts(methods[i][0], rows, state, state.width, seed) : exact;
      found[i].push(length(cheap.map((x, c) => x - exact[c])) / length(exact));
    }
  }
  return found;
}

/** The weights of a method for the first words of the text, as rows. */
export function weights(method, state, { shown: n, seed }) {
  const rows = { ...whole(written(state, n, seed)), value: identity(n) };
  const flat = whole(contexts(method, rows, state, n, seed));
  return Array.from({ length: n }, (_, i) => [...flat.slice(i * n, (i + 1) * n)]);
}

/** What is known without computing contexts: counts at this length, crossings, weights. */
export function forward(state, data) {
  const { length: n, width, window, rows } = state;
  const names = data.methods.map(([name]) => name);
  return {
    operations: names.map((name) => operations(name, n, width, window, rows)),
    kept: names.map((name) => kept(name, n, width, window, rows)),
    crossing: names.map((name) => (name === "full" ? null : crossing(name, width, window, rows))),
    exact: weights("full", state, data),
    cheap: weights(state.method, state, data),
  };
}

/** `forward` and the errors, without slices: for tests. */
export const everything = (state, data) => ({ ...forward(state, data), errors: whole(errors(state, data)) });
