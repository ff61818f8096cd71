// One selection for a whole widget: axis name → index. Two views that speak of the same
// axis are linked by that name alone; no view knows another.

/**
 * @param {Object<string, number|null>} initial axis name → index
 * @returns an object with `value`, `locked`, `hover`, `pick`, `lock`, `on`.
 */
export function createSelection(initial = {}) {
  const listeners = new Set();
  const selection = { value: { ...initial }, locked: false };
  const tell = (patch) => {
    const changed = Object.keys(patch).some((axis) => selection.value[axis] !== patch[axis]);
    if (!changed) return;
    selection.value = { ...selection.value, ...patch };
    listeners.forEach((listen) => listen(selection.value));
  };
  /** Pass over a mark: selects unless the reader has locked a selection. */
  selection.hover = (patch) => { if (!selection.locked) tell(patch); };
  /** Choose on purpose, by key or click. */
  selection.pick = tell;
  /** Enter locks (passing over other marks changes nothing), Escape unlocks. */
  selection.lock = (on) => {
    selection.locked = on;
    listeners.forEach((listen) => listen(selection.value));
  };
  selection.on = (listen) => {
    listeners.add(listen);
    return () => listeners.delete(listen);
  };
  return selection;
}

/** Enter and Escape of a view; true when the key was one of them. */
export function lockKey(event, selection) {
  if (event.key === "Enter") selection.lock(!selection.locked);
  else if (event.key === "Escape" && selection.locked) selection.lock(false);
  else return false;
  event.preventDefault();
  return true;
}
