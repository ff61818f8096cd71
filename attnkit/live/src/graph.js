// Runs a graph that torch exported: the trained model itself, not a port of it.
//
// attnkit/live/pack.py writes the graph of core ATen operations; here it is planned
// once per input shape and then run as a flat list of steps over typed arrays:
//   - every shape is known when planning, so each result gets its buffer then, and
//     each step its index tables: a run allocates nothing but the copies it returns;
//   - what depends on weights alone is computed while planning (constant folding);
//   - views, contiguous slices and reshapes share their source's buffer: no step.

import { linear } from "./graph/linear.js";
import { pointwise } from "./graph/pointwise.js";
import { reductions } from "./graph/reduce.js";
import { shapes } from "./graph/shape.js";
import { Tensor, decodeTensors } from "./graph/tensor.js";

const FORMAT = "attnkit-graph/1";

/** Every operation by torch's name; pack.py refuses what is not here (a test compares). */
export const OPS = { ...pointwise, ...shapes, ...reductions, ...linear };

/**
 * The callable entries of a packed model: `load(packed).step({ token: [3], … })`.
 *
 * An input is `{ data, shape }`, or a flat array where the shape is fixed. The result
 * maps output names to `{ data, shape, dtype }`, fresh arrays that the caller may keep.
 */
export function load(packed) {
  if (packed?.format !== FORMAT) {
    throw new Error(`this model was packed as "${packed?.format}", the page reads "${FORMAT}"`);
  }
  const weights = decodeTensors(packed.tensors, packed.blob);
  const entries = Object.entries(packed.entries);
  return Object.fromEntries(
    entries.map(([name, graph]) => [name, entry(name, graph, packed.ops, weights)]),
  );
}

function entry(name, graph, ops, weights) {
  const plans = new Map(); // input shapes -> plan

  function run(inputs) {
    const fed = graph.inputs.map((spec) => feed(name, spec, inputs[spec.name]));
    const key = fed.map(({ shape }) => shape.join("×")).join(" ");
    if (!plans.has(key)) plans.set(key, new Plan(graph, ops, weights, fed));
    return plans.get(key).run(fed);
  }

  run.inputs = graph.inputs;
  run.outputs = graph.outputs.map(({ name: output }) => output);
  return run;
}

/** Check one input against what the graph was exported for; null is a free size. */
function feed(entryName, spec, given) {
  const where = `${entryName}: input "${spec.name}"`;
  if (given === undefined || given === null) throw new Error(`${where} is missing`);
  const data = given.data ?? given;
  const shape = given.shape ?? spec.shape;
  const fits =
    shape.length === spec.shape.length &&
    shape.every((size, i) => Number.isInteger(size) && (spec.shape[i] ?? size) === size);
  if (!fits) throw new Error(`${where} must have the shape [${spec.shape}], got [${shape}]`);
  const size = shape.reduce((a, b) => a * b, 1);
  if (data.length !== size) throw new Error(`${where} must hold ${size} numbers, got ${data.length}`);
  return { data, shape };
}

/** The steps of one graph for inputs of given shapes. Ops see it as `plan`. */
class Plan {
  constructor(graph, ops, weights, fed) {
    this.steps = [];
    this.weights = weights;
    this.values = graph.inputs.map((spec, i) => Tensor.empty(fed[i].shape, spec.dtype));
    this.inputs = this.values.slice();
    for (const [op, args, count] of graph.nodes) this.add(ops[op], args, count);
    this.outputs = graph.outputs.map(({ name, value }) => [name, this.resolve(value)]);
    this.values = null; // only the steps and their buffers are needed from here on
  }

  add(op, args, count) {
    const build = OPS[op];
    if (!build) throw new Error(`the page cannot compute "${op}"`);
    const result = build(this, ...args.map((arg) => this.resolve(arg)));
    if (count === undefined) this.values.push(result);
    else this.values.push(...result.slice(0, count));
  }

  /** Arguments as pack.py wrote them: "%3" a value, "@3" a weight, "inf" a number. */
  resolve(arg) {
    if (Array.isArray(arg)) return arg.map((item) => this.resolve(item));
    if (typeof arg !== "string") return arg;
    if (arg[0] === "%") return this.values[Number(arg.slice(1))];
    if (arg[0] === "@") return this.weights[Number(arg.slice(1))];
    return { inf: Infinity, "-inf": -Infinity, nan: NaN }[arg] ?? arg;
  }

  /**
   * The result of an op: a new tensor that `compute` fills from `sources`.
   * If all sources are constant it is filled here and now.
   */
  emit(sources, shape, dtype, compute) {
    const out = Tensor.empty(shape, dtype);
    this.step(sources, [out], () => compute(out.data));
    return out;
  }

  /** The same for an op with several results. */
  step(sources, outs, compute) {
    const constant = sources.every((source) => !(source instanceof Tensor) || source.constant);
    for (const out of outs) out.constant = constant;
    if (constant) compute();
    else this.steps.push(compute);
  }

  run(fed) {
    this.inputs.forEach((tensor, i) => tensor.data.set(fed[i].data));
    for (const step of this.steps) step();
    return Object.fromEntries(
      this.outputs.map(([name, { data, shape, dtype }]) => [name, { data: data.slice(), shape, dtype }]),
    );
  }
}
