// One widget's state in the address: #widget.SLUG.STATE
//
// STATE is JSON as base64url. The whole is a valid CSS selector on purpose: themes
// hand location.hash to querySelector, and JSON objects begin with "ey" in base64.

const MARK = "#widget.";

function encode(state) {
  const bytes = new TextEncoder().encode(JSON.stringify(state));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function decode(text) {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
}

/** The fragment that leads to `state` of the widget `slug`. */
export const write = (slug, state) => `${MARK}${slug}.${encode(state)}`;

/**
 * The state that `hash` holds for the widget `slug`; undefined if it speaks of
 * something else. Throws if it speaks of this widget and cannot be read.
 */
export function read(hash, slug) {
  if (!hash.startsWith(`${MARK}${slug}.`)) return undefined;
  return decode(hash.slice(MARK.length + slug.length + 1));
}

/** The address of this page with another fragment. */
export const address = (fragment) => location.href.split("#")[0] + fragment;

/** Put a fragment into the address bar: no new history entry, no jump. */
export function show(fragment) {
  try {
    history.replaceState(history.state, "", fragment);
  } catch {
    // Some embedded pages forbid it; the copy-link button still works.
  }
}
