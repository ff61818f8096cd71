// The way to Python, if there is one. The page computes without it.

const PROBE = 1500; // ms without a pong: this page has no kernel
const PATIENCE = 10000; // ms without a result: the kernel is gone or busy

let last = 0;

/**
 * A line to the kernel over the widget's custom messages.
 *
 * `available` is false until a pong came, and again after a call went unanswered.
 * `onchange` hears of both. One listener in all, taken off by `close()`.
 */
export function openKernel(model, { probe = PROBE, onchange = () => {} } = {}) {
  const waiting = new Map(); // id -> { resolve, reject, timer }
  const kernel = { available: false, versions: {}, call, close, ready: null };

  function settle(id, how, value) {
    const entry = waiting.get(id);
    if (!entry) return;
    clearTimeout(entry.timer);
    waiting.delete(id);
    entry[how](value);
  }

  function receive(message) {
    if (message?.kind === "pong") settle(message.id, "resolve", message);
    if (message?.kind !== "result") return;
    if (message.error) settle(message.id, "reject", new Error(message.error));
    else settle(message.id, "resolve", message.value);
  }

  function ask(message, patience) {
    return new Promise((resolve, reject) => {
      const id = `${Date.now().toString(36)}-${(last += 1)}`;
      const late = () => settle(id, "reject", Object.assign(new Error("no answer"), { late: true }));
      waiting.set(id, { resolve, reject, timer: setTimeout(late, patience) });
      try {
        model.send({ ...message, id });
      } catch (error) {
        settle(id, "reject", Object.assign(error, { late: true }));
      }
    });
  }

  function become(available) {
    if (kernel.available === available) return;
    kernel.available = available;
    onchange(available);
  }

  /** Ask the Python side's `rpc_OP(**args)`. Rejects with a sentence. */
  async function call(op, args = {}, patience = PATIENCE) {
    if (!kernel.available) throw new Error("No Python kernel answers here.");
    try {
      return await ask({ kind: "call", op, args }, patience);
    } catch (error) {
      if (error.late) become(false);
      throw error;
    }
  }

  async function knock() {
    if (model.isStatic) return false;
    try {
      kernel.versions = (await ask({ kind: "ping" }, probe)).versions ?? {};
      become(true);
    } catch {
      become(false);
    }
    return kernel.available;
  }

  function close() {
    model.off("msg:custom", receive);
    for (const { timer } of waiting.values()) clearTimeout(timer);
    waiting.clear();
  }

  model.on("msg:custom", receive);
  kernel.ready = knock();
  return kernel;
}
