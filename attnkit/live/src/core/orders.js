// Orders of prediction: who may see whom, if places are predicted one after another.

/** When each place comes: rank[order[t]] = t. */
export const ranks = (order) => order.reduce((rank, place, t) => { rank[place] = t; return rank; }, []);

/** Masks of the two streams as rows of 0 and 1. */
export function masks(order) {
  const rank = ranks(order);
  const table = (may) => rank.map((mine) => rank.map((other) => Number(may(other, mine))));
  return { content: table((a, b) => a <= b), query: table((a, b) => a < b) };
}

/** The order with one place at another turn; turns beyond the ends are the ends. */
export function moved(order, place, to) {
  const rest = order.filter((other) => other !== place);
  const turn = Math.min(rest.length, Math.max(0, to));
  return [...rest.slice(0, turn), place, ...rest.slice(turn)];
}

/** Words as a list: "2, 5 and 9"; "nothing" if there are none. */
export const list = (names) => (names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0] ?? "nothing");
