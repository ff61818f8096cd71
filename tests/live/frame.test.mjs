// The frame's parts that need no browser: values, history, address, pace, kernel.
// Run by tests/live/test_frame.py, or by hand: node --test tests/live/

import assert from "node:assert/strict";
import { test } from "node:test";
import { read, write } from "../../attnkit/live/src/fragment.js";
import { openKernel } from "../../attnkit/live/src/kernel.js";
import { createStore } from "../../attnkit/live/src/store.js";
import { paced } from "../../attnkit/live/src/timing.js";
import { equal, merged, plain, python } from "../../attnkit/live/src/values.js";

const FIRST = { query: [1, 0.5], mode: "soft", hold: null, on: true };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

test("a patch may only speak of known settings, in their types", () => {
  assert.deepEqual(merged(FIRST, { mode: "hard" }), { ...FIRST, mode: "hard" });
  assert.deepEqual(merged(FIRST, { hold: 3 }).hold, 3);
  assert.throws(() => merged(FIRST, { size: 1 }), /no setting "size"/);
  assert.throws(() => merged(FIRST, { query: "x" }), /"query" must be a list, not a string/);
  assert.throws(() => merged(FIRST, { query: [NaN, 1] }), /not finite/);
  assert.throws(() => merged(FIRST, [1]), /must be an object/);
});

test("a merged state shares nothing with the patch", () => {
  const patch = { query: [0, 0] };
  const state = merged(FIRST, patch);
  patch.query[0] = 9;
  assert.equal(state.query[0], 0);
});

test("equality does not depend on the order of keys", () => {
  assert.ok(equal({ a: [1, { b: 2, c: 3 }] }, { a: [1, { c: 3, b: 2 }] }));
  assert.ok(!equal({ a: 1 }, { a: 1, b: undefined }));
  assert.ok(!equal([1, 2], [1, 2, 3]));
});

test("typed arrays become plain ones, at any depth", () => {
  assert.deepEqual(plain({ a: [new Float32Array([1, 2])], b: 1 }), { a: [[1, 2]], b: 1 });
});

test("states are written as Python", () => {
  assert.equal(
    python({ on: true, hold: null, text: 'a "b" 机器', list: [1, 0.1 + 0.2, false], seed: 12345678 }),
    '{"on": True, "hold": None, "text": "a \\"b\\" 机器", "list": [1, 0.3, False], "seed": 12345678}',
  );
});

test("a drag is one step back, a pause begins the next", () => {
  let time = 0;
  const store = createStore(FIRST, { now: () => time });
  for (let i = 0; i < 50; i += 1) store.patch({ query: [i, 0] }) && (time += 16);
  time += 1000;
  store.patch({ query: [7, 7] });
  store.undo();
  assert.deepEqual(store.get().query, [49, 0]);
  store.undo();
  assert.deepEqual(store.get(), FIRST);
  assert.equal(store.canUndo(), false);
  assert.equal(store.undo(), false);
});

test("another setting begins a step of its own", () => {
  const store = createStore(FIRST, { now: () => 0 });
  store.patch({ query: [2, 2] });
  store.patch({ mode: "hard" });
  store.undo();
  assert.deepEqual(store.get(), { ...FIRST, query: [2, 2] });
});

test("reset can be undone", () => {
  const store = createStore(FIRST);
  store.patch({ mode: "hard" });
  assert.ok(store.reset());
  assert.deepEqual(store.get(), FIRST);
  store.undo();
  assert.equal(store.get().mode, "hard");
});

test("what changes nothing is no step", () => {
  const store = createStore(FIRST);
  assert.equal(store.patch({ mode: "soft" }), false);
  assert.equal(store.replace({ ...FIRST }), false);
  assert.equal(store.canUndo(), false);
});

test("a state comes back from the address as it went in", () => {
  const state = { text: "机器学习 <&> é", list: [1, -2.5], flag: false };
  const hash = write("type_to_align", state);
  assert.deepEqual(read(hash, "type_to_align"), state);
  assert.equal(read(hash, "other"), undefined);
  assert.equal(read("#section", "type_to_align"), undefined);
  assert.match(hash, /^#[\w.-]+$/); // a selector: themes hand it to querySelector
});

test("a damaged address throws", () => {
  const hash = write("w", { a: 1 });
  assert.throws(() => read(hash.slice(0, -3), "w"));
  assert.throws(() => read("#widget.w.%%%", "w"));
});

test("calls are gathered: the first at once, then the last of each pause", async () => {
  const seen = [];
  const say = paced(20, (word) => seen.push(word));
  for (const word of ["a", "b", "c"]) say(word);
  assert.deepEqual(seen, ["a"]);
  await sleep(40);
  assert.deepEqual(seen, ["a", "c"]);
  say("d");
  say.cancel();
  await sleep(40);
  assert.deepEqual(seen, ["a", "c", "d"].slice(0, seen.length));
});

/** A model with a kernel that answers as `answer` says. */
function fakeModel(answer) {
  const listeners = new Set();
  return {
    listeners,
    on: (_, listener) => listeners.add(listener),
    off: (_, listener) => listeners.delete(listener),
    send(message) {
      const reply = answer(message);
      if (reply) setTimeout(() => listeners.forEach((listen) => listen({ ...reply, id: message.id })));
    },
  };
}

const pong = (message) =>
  message.kind === "ping" ? { kind: "pong", versions: { torch: "2" } } : null;

test("a pong makes the kernel available, a call gets its value", async () => {
  const model = fakeModel((m) => pong(m) ?? { kind: "result", value: m.args.x + 1 });
  const kernel = openKernel(model);
  assert.equal(await kernel.ready, true);
  assert.equal(kernel.versions.torch, "2");
  assert.equal(await kernel.call("next", { x: 4 }), 5);
  kernel.close();
  assert.equal(model.listeners.size, 0);
});

test("no pong in time means no kernel", async () => {
  const kernel = openKernel(fakeModel(() => null), { probe: 10 });
  assert.equal(await kernel.ready, false);
  await assert.rejects(kernel.call("x"), /No Python kernel/);
});

test("an error of Python is passed on and the kernel stays", async () => {
  const model = fakeModel((m) => pong(m) ?? { kind: "result", error: "ValueError: no" });
  const kernel = openKernel(model);
  await kernel.ready;
  await assert.rejects(kernel.call("x"), /ValueError: no/);
  assert.equal(kernel.available, true);
  kernel.close();
});

test("a call without an answer takes the kernel off", async () => {
  const heard = [];
  const kernel = openKernel(fakeModel(pong), { onchange: (on) => heard.push(on) });
  await kernel.ready;
  await assert.rejects(kernel.call("x", {}, 10), /no answer/);
  assert.deepEqual(heard, [true, false]);
  kernel.close();
});

test("a comm that throws means no kernel", async () => {
  const model = fakeModel(() => {
    throw new Error("comm closed");
  });
  assert.equal(await openKernel(model).ready, false);
});

test("a static page is not probed", async () => {
  let sent = 0;
  const model = { ...fakeModel(() => (sent += 1)), isStatic: true };
  assert.equal(await openKernel(model).ready, false);
  assert.equal(sent, 0);
});
