// When things happen: not too often, and not before they are needed.

/**
 * `act` at most once in `ms`: the first call at once, later ones gathered into one
 * at the end of the pause, with the last arguments.
 */
export function paced(ms, act) {
  let timer = null;
  let pending = null;

  function ring() {
    timer = null;
    if (!pending) return;
    const args = pending;
    pending = null;
    run(args);
  }

  function run(args) {
    timer = setTimeout(ring, ms);
    act(...args);
  }

  const call = (...args) => {
    if (timer === null) run(args);
    else pending = args;
  };
  call.cancel = () => {
    clearTimeout(timer);
    timer = pending = null;
  };
  return call;
}

/**
 * `start()` once `element` comes within one screen of the reader's view, or, one
 * element after the other, when the page has nothing else to do: whoever jumps,
 * prints or saves the page meets no empty frame.
 */
export function whenNear(element, start) {
  if (!("IntersectionObserver" in globalThis)) {
    start();
    return () => {};
  }
  const stop = () => {
    observer.disconnect();
    waiting.delete(go);
  };
  const go = () => {
    stop();
    start();
  };
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) go();
    },
    { rootMargin: "100% 0px" },
  );
  observer.observe(element);
  waiting.add(go);
  if (waiting.size === 1) whenIdle(startNext);
  return stop;
}

const waiting = new Set();

function startNext() {
  const [go] = waiting;
  go?.();
  if (waiting.size) whenIdle(startNext);
}

function whenIdle(act) {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(act, { timeout: 500 });
  else setTimeout(act, 200);
}
