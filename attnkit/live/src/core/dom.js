// What every view needs to make and change elements. A view makes its nodes once and
// afterwards changes only what differs, so that a drag stays cheap.

export { h, svg } from "../dom.js";

let counter = 0;

/** A name that is unique in the page, for `id` and `aria-labelledby`. */
export const uid = (prefix = "at") => `${prefix}-${(counter += 1)}`;

/** Set attributes of a node that exists; false and null take an attribute away. */
export function attrs(node, values) {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : value);
  }
  return node;
}

/** Change the text of a node only when it differs. */
export function text(node, value) {
  if (node.textContent !== String(value)) node.textContent = value;
}
