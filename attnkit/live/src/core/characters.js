// A typed text as the characters that a reader sees; the twin of attnkit/live/characters.py.

const JOINER = "\u200d";
const flag = (c) => c >= "\u{1f1e6}" && c <= "\u{1f1ff}";
const clings = (c) => /\p{M}/u.test(c) || c === JOINER || (c >= "\u{1f3fb}" && c <= "\u{1f3ff}") || (c >= "\u{e0020}" && c <= "\u{e007f}");

/** Full-width digits, as Chinese keyboards write them, become 0 to 9. */
export const narrow = (text) => text.replace(/[０-９]/g, (c) => String.fromCharCode(c.charCodeAt(0) - 0xfee0));

/** One text per visible character: marks, skin tones and joined emoji stay together. */
export function characters(text) {
  const found = [];
  for (const c of text.replace(/\s/g, "")) {
    const last = found[found.length - 1];
    const joins = last !== undefined && (clings(c) || last.endsWith(JOINER) || (flag(c) && [...last].length === 1 && flag(last)));
    if (joins) found[found.length - 1] = last + c;
    else found.push(c);
  }
  return found;
}
