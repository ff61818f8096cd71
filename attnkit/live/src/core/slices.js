// Long computing without holding up the page: a task is a generator that yields where the
// page may breathe.

const SLICE = 12; // ms of computing before the page may breathe

/** All of a task at once. */
export function whole(task) {
  for (;;) {
    const { done, value } = task.next();
    if (done) return value;
  }
}

/** Run a task in slices; null if it is no longer wanted. ms: time that was computed. */
export async function inSlices(task, wanted) {
  for (let ms = 0; ;) {
    const start = performance.now();
    let at;
    do at = task.next(); while (!at.done && performance.now() - start < SLICE);
    ms += performance.now() - start;
    if (at.done) return { value: at.value, ms };
    await new Promise((go) => setTimeout(go));
    if (!wanted()) return null;
  }
}
