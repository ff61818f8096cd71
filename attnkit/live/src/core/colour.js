// The ramp of weights is one hue over the surface: `--w` (0 to 1) mixes the weight colour
// into the cell colour in CSS, so both themes follow without redrawing and luminance is
// monotone. Here stands only what CSS cannot decide: when the text on a cell must turn.

/** Ink class for text on a cell of weight w: thresholds where black and white contrast meet. */
export const ink = (weight) => (weight > 0.86 ? "hi" : weight > 0.52 ? "mid" : "lo");

/** Put a weight on a cell: its fill and the class of its ink. */
export function paint(cell, weight) {
  const shown = Math.min(1, Math.max(0, weight));
  if (cell.weight === shown) return; // styles are recomputed for what changed alone
  cell.weight = shown;
  cell.style.setProperty("--w", shown.toFixed(4));
  const tone = ink(shown);
  if (cell.dataset.ink !== tone) cell.dataset.ink = tone;
}
