// Runs packed models in node: {packed, calls: [[entry, inputs], ...], repeat} on stdin,
// the outputs (and the microseconds of each call's fastest run) on stdout.

import { readFileSync } from "node:fs";
import { OPS, load } from "../../attnkit/live/src/graph.js";

const { packed, calls, repeat = 0 } = JSON.parse(readFileSync(0, "utf8"));

/** JSON has no name for what is not finite. */
const write = (x) => (Number.isFinite(x) ? x : String(x));

function fastest(run) {
  let best = Infinity;
  for (let i = 0; i < repeat; i += 1) {
    const start = process.hrtime.bigint();
    run();
    best = Math.min(best, Number(process.hrtime.bigint() - start) / 1000);
  }
  return best;
}

const entries = packed ? load(packed) : {};
const results = (calls ?? []).map(([entry, inputs]) => {
  try {
    const found = entries[entry](inputs);
    // As a list, for JavaScript sorts keys that look like numbers.
    const outputs = entries[entry].outputs.map((name) => {
      const { data, shape, dtype } = found[name];
      return { name, data: Array.from(data, write), shape, dtype };
    });
    return { outputs, us: fastest(() => entries[entry](inputs)) };
  } catch (error) {
    return { error: error.message };
  }
});
process.stdout.write(JSON.stringify({ results, ops: Object.keys(OPS) }));
