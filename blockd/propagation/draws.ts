// Numbers that look drawn and are the same again for the same seed: enough for the choice of a destination and for keeping
// out of step with a guest. Never for secrets.

/** A linear congruential generator with the constants of Numerical Recipes (2nd ed., 7.1): 0 <= x < 1 at each call. */
export function drawsFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
