// Dates, numbers and phrases: a text's true translation and the places that each symbol
// comes from. The twin of `parse` in attnkit/data/chinese.py, which also gives the words.

const UNITS = "十百千";

/** Characters of n, and by power of ten the places of its digit and its unit. */
function spell(n, digits) {
  let text = "";
  let gap = false;
  const [digit, unit] = [{}, {}];
  for (let power = 3; power >= 0; power -= 1) {
    const value = Math.floor(n / 10 ** power) % 10;
    if (!value) { gap = text !== ""; continue; }
    if (gap) text += "零";
    gap = false;
    if (power !== 1 || value !== 1 || text) {
      digit[power] = [text.length];
      text += power === 3 && value === 2 ? "两" : digits[value];
    }
    if (power) { unit[power] = [text.length]; text += UNITS[power - 1]; }
  }
  return { text, digit, unit };
}

/** The number that a text says, right or wrong. */
function valueOf(text, digits) {
  if (/^[0-9]+$/.test(text)) return Number(text);
  let [total, digit] = [0, null];
  for (const c of text) {
    const power = UNITS.indexOf(c);
    if (power >= 0) { total += (digit ?? 1) * 10 ** (power + 1); digit = null; }
    else if (c !== "零") digit = c === "两" ? 2 : digits.indexOf(c);
  }
  return total + (digit ?? 0);
}

function readNumber(text, { digits, small, tens }) {
  if (!new RegExp(`^[${digits.slice(1)}零两十百千]+$`).test(text)) return null;
  const n = valueOf(text, digits);
  if (text === "零") return { target: ["zero"], alignment: [[0]] };
  const { text: written, digit, unit } = spell(n, digits);
  if (n > 9999 || written !== text) return null;
  const [target, alignment] = [[], []];
  const add = (symbol, places) => { target.push(symbol); alignment.push(places); };
  for (const [power, name] of [[3, "thousand"], [2, "hundred"]]) {
    if (unit[power]) { add(small[Math.floor(n / 10 ** power) % 10], digit[power]); add(name, unit[power]); }
  }
  let [left, places] = [n % 100, [...(digit[1] ?? []), ...(unit[1] ?? [])]];
  if (left >= 20) { add(tens[Math.floor(left / 10)], places); left %= 10; places = []; }
  if (left) add(small[left], [...places, ...(digit[0] ?? [])]);
  return { target, alignment };
}

/** The day of the month, a symbol per decimal digit; `start` is its first place. */
function readDay(n, chinese, start, digits) {
  const decimal = [...String(n)];
  if (!chinese) return decimal.map((_, i) => [start + i]);
  const { digit, unit } = spell(n, digits);
  const at = (places) => places.map((i) => start + i);
  if (n < 10) return [at(digit[0])];
  if (n % 10 === 0) return [at(digit[1] ?? unit[1]), at(unit[1])];
  return [at([...(digit[1] ?? []), ...unit[1]]), at(digit[0])];
}

function readDate(raw, { digits, months }) {
  const text = raw.replace(/号/g, "日").replace(/零/g, "〇");
  const part = "([0-9]{1,2}|[一二三四五六七八九十]+)";
  const found = text.match(new RegExp(`^(?:([0-9]{1,4}|[${digits}]{1,4})年)?${part}月(?:${part}日)?$`));
  if (!found) return null;
  const [, year = "", monthText, dayText = ""] = found;
  const chinese = !/[0-9]/.test(monthText);
  const [month, day] = [valueOf(monthText, digits), valueOf(dayText, digits)];
  const decimal = [...year].map((c) => (digits.includes(c) ? digits.indexOf(c) : c)).join("");
  const write = (n) => (chinese ? spell(n, digits).text : String(n));
  const years = chinese ? [...String(Number(decimal))].map((c) => digits[c]).join("") : String(Number(decimal));
  const written = `${year ? `${years}年` : ""}${write(month)}月${dayText ? `${write(day)}日` : ""}`;
  const longest = new Date(Date.UTC(2000, month, 0));
  longest.setUTCFullYear(year ? Number(decimal) : 2000, month, 0); // day 0 is the last of the month
  const right = (year ? Number(decimal) > 0 : dayText) && month >= 1 && month <= 12
    && (!dayText || (day >= 1 && day <= longest.getUTCDate()));
  if (!right || written !== text) return null;
  const start = year ? year.length + 1 : 0;
  const after = start + monthText.length + 1;
  const target = [months[month - 1]];
  const alignment = [Array.from({ length: after - start }, (_, i) => start + i)];
  if (dayText) { target.push(...String(day)); alignment.push(...readDay(day, chinese, after, digits)); }
  if (dayText && year) { target.push(","); alignment.push([]); }
  [...decimal].forEach((c, i) => { target.push(c); alignment.push([i]); });
  return { target, alignment };
}

function readPhrase(text, { words }) {
  const known = [...Object.keys(words).sort((a, b) => b.length - a.length), "的"];
  const found = text.match(new RegExp(known.join("|"), "g")) ?? [];
  const left = found.indexOf("的");
  if (found.join("") !== text || left !== found.lastIndexOf("的") || left === 0 || (left > 0 && left === found.length - 1)) return null;
  let at = 0;
  const pieces = found.map((word) => {
    const places = [...word].map(() => (at += 1) - 1);
    return { symbol: words[word] ?? "of", places };
  });
  const turned = left < 0 ? pieces : [...pieces.slice(left + 1), pieces[left], ...pieces.slice(0, left)];
  return { target: turned.map((p) => p.symbol), alignment: turned.map((p) => p.places) };
}

/**
 * Read items joined by 、, as `parse` in Python does.
 * @param grammar { digits, months, small, tens, words }
 * @returns { target, alignment } or null where the text is not of this language
 */
export function parse(text, grammar) {
  const [target, alignment] = [[], []];
  let at = 0;
  for (const part of text.split("、")) {
    const item = part && (readDate(part, grammar) ?? readNumber(part, grammar) ?? readPhrase(part, grammar));
    if (!item) return null;
    if (at) { target.push(";"); alignment.push([at - 1]); }
    target.push(...item.target);
    alignment.push(...item.alignment.map((places) => places.map((i) => at + i)));
    at += part.length + 1;
  }
  return { target, alignment };
}
