// Tensors are flat, contiguous typed arrays with a shape. Strides exist only while
// planning, as index tables (`table`).

const STORE = { f32: Float32Array, f64: Float64Array, i64: Int32Array, b8: Uint8Array };

export const sizeOf = (shape) => shape.reduce((a, b) => a * b, 1);

/** A dimension counted from the end becomes one counted from the start. */
export const axis = (dim, rank) => (dim < 0 ? dim + rank : dim);

/** Elements to go on by one along each dimension. */
export function strides(shape) {
  const result = new Array(shape.length);
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d -= 1) {
    result[d] = step;
    step *= shape[d];
  }
  return result;
}

/** Around one dimension: how many blocks, how long it is, how wide an element is. */
export function lanes(shape, dim) {
  const d = axis(dim, shape.length);
  const inner = sizeOf(shape.slice(d + 1));
  return { outer: sizeOf(shape.slice(0, d)), n: shape[d] ?? 1, inner };
}

/** The positions that a strided view of `shape` visits, in order. */
export function table(shape, steps, offset = 0) {
  const size = sizeOf(shape);
  const result = new Int32Array(size);
  const at = new Array(shape.length).fill(0);
  let position = offset;
  for (let k = 0; k < size; k += 1) {
    result[k] = position;
    for (let d = shape.length - 1; d >= 0; d -= 1) {
      position += steps[d];
      at[d] += 1;
      if (at[d] < shape[d]) break;
      position -= steps[d] * shape[d];
      at[d] = 0;
    }
  }
  return result;
}

/** The shape that two shapes broadcast to. */
export function broadcast(a, b) {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1];
    if (x !== y && x !== 1 && y !== 1) throw new Error(`shapes [${a}] and [${b}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

/** Strides that read a tensor of `shape` as if it had the shape `target`. */
export function stretched(shape, target) {
  const own = strides(shape);
  const lead = target.length - shape.length;
  return target.map((_, d) => (d < lead || shape[d - lead] === 1 ? 0 : own[d - lead]));
}

export class Tensor {
  constructor(data, shape, dtype, constant = false) {
    Object.assign(this, { data, shape, dtype, constant });
  }

  static empty(shape, dtype) {
    if (!STORE[dtype]) throw new Error(`the page holds no tensors of type "${dtype}"`);
    return new Tensor(new STORE[dtype](sizeOf(shape)), shape, dtype);
  }

  get size() {
    return this.data.length;
  }

  /** The same numbers, in the same buffer, under another shape. */
  as(shape) {
    return new Tensor(this.data, shape, this.dtype, this.constant);
  }

  /** `length` numbers from `start` on, in the same buffer. */
  part(start, length, shape) {
    return new Tensor(this.data.subarray(start, start + length), shape, this.dtype, this.constant);
  }
}

// ---- decoding -----------------------------------------------------------------------

export function bytesOf(base64) {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** IEEE half precision to a number. */
export function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** How a stored number type is read: bytes each, reader, type in memory. */
const READERS = {
  f32: [4, (view, at) => view.getFloat32(at, true), "f32"],
  f16: [2, (view, at) => half(view.getUint16(at, true)), "f32"],
  f64: [8, (view, at) => view.getFloat64(at, true), "f64"],
  i64: [4, (view, at) => view.getInt32(at, true), "i64"],
  b8: [1, (view, at) => view.getUint8(at), "b8"],
};

/** The weights: [stored type, shape, byte offset] each, in one base64 text. */
export function decodeTensors(specs, blob) {
  const view = new DataView(bytesOf(blob).buffer);
  return specs.map(([stored, shape, offset]) => {
    const [bytes, read, dtype] = READERS[stored];
    const tensor = Tensor.empty(shape, dtype);
    for (let i = 0; i < tensor.size; i += 1) tensor.data[i] = read(view, offset + i * bytes);
    tensor.constant = true;
    return tensor;
  });
}
