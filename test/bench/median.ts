// What is quoted of several samples; never a mean, which one stall of the machine would move.

/** The middle value, the lower one of two; none of none. */
export function median(values: readonly number[]): number | undefined {
  return [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
}
