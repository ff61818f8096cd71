// A text of queries, keys and values: numbers that Python draws alike.

function uniform(seed, stream, place) {
  let x = Math.imul(place, 0x9e3779b1) + Math.imul(stream, 0x85ebca77) + Math.imul(seed, 0xc2b2ae3d);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (((x ^ (x >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}

const normal = (seed, stream, i) => Math.sqrt(-2 * Math.log(uniform(seed, stream, 2 * i))) * Math.cos(2 * Math.PI * uniform(seed, stream, 2 * i + 1));

/** Normal numbers (rows × d) of a stream. */
export function* normals(seed, stream, rows, d) {
  const out = new Float64Array(rows * d);
  for (let i = 0; i < out.length; i += 1) {
    out[i] = normal(seed, stream, i);
    if (i % d === 0) yield;
  }
  return out;
}

/** Query, key and value (n × d, row by row) of a text. */
export function* written({ pattern, sharpness, width: d }, n, seed) {
  const [key, query, value] = [yield* normals(seed, 0, n, d), yield* normals(seed, 1, n, d), yield* normals(seed, 2, n, d)];
  if (pattern !== "spread") {
    for (const x of [key, value]) for (let i = d; i < x.length; i += 1) x[i] = 0.8 * x[i - d] + 0.6 * x[i];
    for (let i = 0; i < query.length; i += 1) {
      const from = pattern === "near" ? i : (n - 1 - Math.floor(i / d)) * d + (i % d);
      query[i] = 0.8 * key[from] + 0.6 * query[i];
    }
  }
  return { query: query.map((x) => sharpness * x), key, value };
}
