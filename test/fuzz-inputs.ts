// How many inputs a fuzz test takes and from which seed on: an everyday run's, or those of `supercloud fuzz`. Not a test itself.

/** The words of the environment by which `supercloud fuzz` asks for others than an everyday run's. */
export const SEED_WORD = 'FUZZ_SEED';
export const TIMES_WORD = 'FUZZ_TIMES';

/** The seed of this run; of an everyday one the one given, or one that is drawn from the clock. */
export function fuzzSeed(everyday = Date.now() % 2 ** 31): number {
  return Number(process.env[SEED_WORD] ?? everyday);
}

/** So many times as many inputs as an everyday run has. */
export function fuzzInputs(everyday: number): number {
  return everyday * Number(process.env[TIMES_WORD] ?? 1);
}
