// Mean and standard deviation, where a published figure has them; elsewhere medians are quoted (median.ts).

export interface Spread {
  readonly mean: number;
  /** Of a sample (n - 1); 0 of one value. */
  readonly deviation: number;
}

/** Undefined of none. */
export function spread(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length === 1 ? 0 : Math.sqrt(squares / (values.length - 1)) };
}
