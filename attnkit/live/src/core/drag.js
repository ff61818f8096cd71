// Dragging with mouse, pen or finger. Moves are gathered to one per frame. `touch-action`
// belongs on the handle alone (in CSS), so a page still scrolls when a finger starts
// beside it.

/**
 * @param target element that is grabbed
 * @param on { start(event) → false to refuse, move(event), end(event) }
 */
export function draggable(target, on) {
  let last = null;
  let frame = 0;
  const flush = () => {
    frame = 0;
    if (last) on.move(last);
    last = null;
  };
  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || on.start?.(event) === false) return;
    event.preventDefault();
    target.setPointerCapture(event.pointerId);
  });
  target.addEventListener("pointermove", (event) => {
    if (!target.hasPointerCapture(event.pointerId)) return;
    last = event;
    frame ||= requestAnimationFrame(flush);
  });
  const stop = (event) => {
    if (!target.hasPointerCapture(event.pointerId)) return;
    cancelAnimationFrame(frame);
    flush();
    target.releasePointerCapture(event.pointerId);
    on.end?.(event);
  };
  target.addEventListener("pointerup", stop);
  target.addEventListener("pointercancel", stop);
}
