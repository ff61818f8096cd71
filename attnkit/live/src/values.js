// Plain JSON values: comparing, copying, checking one against another.

export const isObject = (value) =>
  value !== null && typeof value === "object" && !Array.isArray(value);

export const copy = (value) => (value === undefined ? value : JSON.parse(JSON.stringify(value)));

/** Typed arrays become arrays, so that a readout survives JSON and the kernel. */
export function plain(value) {
  if (ArrayBuffer.isView(value)) return Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
}

/** Deep equality of JSON values; the order of keys does not matter. */
export function equal(a, b) {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, i) => equal(item, b[i]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}

const kindOf = (value) => (value === null ? "nothing" : Array.isArray(value) ? "list" : typeof value);

/**
 * `patch` laid over `state`, after a check that it speaks of the same things: only
 * known keys, each of the type that it has now (null may become anything and back),
 * every number finite. Throws a sentence that a reader can understand.
 */
export function merged(state, patch) {
  if (!isObject(patch)) throw new Error("a state must be an object");
  for (const [key, value] of Object.entries(patch)) {
    if (!(key in state)) throw new Error(`there is no setting "${key}" here`);
    const [was, is] = [kindOf(state[key]), kindOf(value)];
    if (was !== is && was !== "nothing" && is !== "nothing") {
      throw new Error(`"${key}" must be a ${was}, not a ${is}`);
    }
    if (!finite(value)) throw new Error(`"${key}" holds a number that is not finite`);
  }
  return { ...state, ...copy(patch) };
}

function finite(value) {
  if (typeof value === "number") return Number.isFinite(value);
  return value === null || typeof value !== "object" || Object.values(value).every(finite);
}

/** A JSON value written as a Python literal. */
export function python(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Number.isInteger(value)) return String(value);
  if (typeof value === "number") return String(Number(value.toPrecision(6)));
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`).join(", ")}}`;
}
