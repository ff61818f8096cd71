// Moving inside a composite view: it is one Tab stop, arrows move within it.

/**
 * The place a key leads to in a grid, or null when the key is not one that moves.
 * Home/End: row; Ctrl+Home/End: whole grid; PageUp/PageDown: column.
 */
export function moveKey(event, { row, col, rows, cols }) {
  const whole = event.ctrlKey || event.metaKey;
  if (event.altKey || event.shiftKey) return null;
  const steps = {
    ArrowLeft: () => [row, col - 1], ArrowRight: () => [row, col + 1],
    ArrowUp: () => [row - 1, col], ArrowDown: () => [row + 1, col],
    Home: () => [whole ? 0 : row, 0], End: () => [whole ? rows - 1 : row, cols - 1],
    PageUp: () => [0, col], PageDown: () => [rows - 1, col],
  };
  if (!steps[event.key]) return null;
  const [r, c] = steps[event.key]();
  event.preventDefault();
  event.stopPropagation();
  return {
    row: Math.min(rows - 1, Math.max(0, r)),
    col: Math.min(cols - 1, Math.max(0, c)),
  };
}

/**
 * Roving focus over a list: one element has tabindex 0. Both arrow directions work, so
 * a reader need not know whether the list stands or lies.
 * @param container element that hears the keys
 * @param items function giving the current elements
 * @param onMove called with the new index
 */
export function roving(container, items, onMove) {
  const current = () => items().findIndex((item) => item.tabIndex === 0);
  container.addEventListener("keydown", (event) => {
    const list = items();
    const at = current();
    if (!list.length || !list.includes(event.target)) return;
    const line = { ArrowUp: "ArrowLeft", ArrowDown: "ArrowRight" };
    const place = moveKey(
      { key: line[event.key] ?? event.key, ctrlKey: event.ctrlKey, metaKey: event.metaKey,
        altKey: event.altKey, shiftKey: event.shiftKey,
        preventDefault: () => event.preventDefault(),
        stopPropagation: () => event.stopPropagation() },
      { row: 0, col: at, rows: 1, cols: list.length },
    );
    if (!place) return;
    onMove(place.col);
    items()[place.col]?.focus();
  });
}

/** Give the one Tab stop of a list to the item at `index`. */
export const tabStop = (list, index) =>
  list.forEach((item, i) => {
    const stop = i === Math.max(0, index ?? 0) ? 0 : -1;
    if (item.getAttribute("tabindex") !== String(stop)) item.tabIndex = stop;
  });
