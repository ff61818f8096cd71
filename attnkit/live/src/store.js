// What a reader has changed: the current state, and the way back.

import { copy, equal, merged } from "./values.js";

const DEPTH = 100; // steps that undo can go back
const BURST = 600; // ms: changes of the same settings within it are one step (a drag)

/**
 * The state of one widget with its history.
 *
 * `first` is where reset leads. `now` is a clock, so that tests need not wait.
 */
export function createStore(first, { now = () => performance.now() } = {}) {
  let state = copy(first);
  let past = [];
  let burst = { keys: "", until: -Infinity };

  function push(next, keys) {
    const same = keys !== "" && keys === burst.keys && now() < burst.until;
    if (!same) past = [...past, state].slice(-DEPTH);
    burst = { keys, until: now() + BURST };
    state = next;
  }

  return {
    get: () => state,
    canUndo: () => past.length > 0,
    /** Lay `patch` over the state. Says whether anything changed. */
    patch(patch) {
      const next = merged(state, patch);
      if (equal(next, state)) return false;
      push(next, Object.keys(patch).sort().join());
      return true;
    },
    /** Take a whole state from elsewhere (kernel, address, link) as one step. */
    replace(other) {
      const next = merged(state, other);
      if (equal(next, state)) return false;
      push(next, "");
      return true;
    },
    undo() {
      if (!past.length) return false;
      state = past[past.length - 1];
      past = past.slice(0, -1);
      burst = { keys: "", until: -Infinity };
      return true;
    },
    reset() {
      if (equal(state, first)) return false;
      push(copy(first), "");
      return true;
    },
  };
}
