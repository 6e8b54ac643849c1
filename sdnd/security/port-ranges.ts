// Ranges of ports as a switch matches them: values under a mask of leading bits. Pure.

const PORT_BITS = 16;
const ALL_BITS = 0xffff;
const PORTS = 2 ** PORT_BITS;

/** A port, or those with the same leading bits. */
export type PortMatch = number | { readonly value: number; readonly mask: number };

/** The shortest list that matches the ports from `first` to `last`, and no other: 30 entries at the most. */
export function portMatches(first: number, last: number): PortMatch[] {
  const matches: PortMatch[] = [];
  for (let at = first; at <= last; ) {
    // The largest block that begins here and ends within the range.
    let size = at === 0 ? PORTS : at & -at;
    while (at + size - 1 > last) size /= 2;
    matches.push(size === 1 ? at : { value: at, mask: ALL_BITS & ~(size - 1) });
    at += size;
  }
  return matches;
}
