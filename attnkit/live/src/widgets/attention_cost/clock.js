// How long the methods take in this browser.

import { inSlices } from "../../core/slices.js";
import { contexts } from "./contexts.js";
import { written } from "./text.js";

const LIMIT = 2000; // ms that a measurement may last

/** The mean of the quicker three quarters: something else may have come between. */
function usual(runs) {
  const quick = runs.sort((a, b) => a - b).slice(0, Math.ceil(0.75 * runs.length));
  return quick.reduce((a, b) => a + b, 0) / quick.length;
}

/** How long a method is tried that takes so many ms: three times, if it is quick. */
const tried = (ms) => (ms < 25 ? Math.max(5, 3 * ms) : Math.max(75, ms));

/** Milliseconds of every method at growing lengths, until the time is up; told as it goes. */
export async function measure(state, { methods, choices, seed }, wanted, tell) {
  const start = performance.now();
  const spent = () => performance.now() - start;
  const found = { lengths: [], ms: methods.map(() => []) };
  let next = 0;
  for (const [turn, n] of [choices.length[1], ...choices.length.slice(1)].entries()) {
    if (spent() + next > LIMIT) break;
    const rows = await inSlices(written({ ...state, pattern: "spread" }, n, seed), wanted);
    const times = [];
    for (const [name] of methods) {
      const runs = [];
      for (let total = 0; total < 5 || (runs.length < 3 && total < 50);) {
        const run = rows && (await inSlices(contexts(name, rows.value, state, state.width, seed), wanted));
        if (!run || !wanted()) return;
        total += run.ms;
        runs.push(run.ms);
      }
      times.push(usual(runs));
      await new Promise((go) => setTimeout(go));
      if (!wanted()) return;
    }
    if (!turn) continue; // the first turn warms up
    found.lengths.push(n);
    found.ms.forEach((list, i) => list.push(times[i]));
    next = 1.5 * times.reduce((sum, ms, i) => sum + tried(ms * (i ? 2 : 4)), 0);
    tell({ ...found }, spent() / LIMIT);
  }
}

/** Where measured times cross: a length, 0 if before the first, null if not yet. */
export function crossed(lengths, full, other) {
  const ratio = full.map((ms, i) => Math.log(other[i] / ms));
  const at = ratio.length - [...ratio].reverse().findIndex((x) => x >= 0);
  if (at > ratio.length) return 0;
  if (at === ratio.length) return null;
  return lengths[at - 1] * (lengths[at] / lengths[at - 1]) ** (ratio[at - 1] / (ratio[at - 1] - ratio[at]));
}
