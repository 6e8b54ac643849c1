// What a deletion still waits for, in words.

/** The end of a sentence that says what is deleted. */
export function describeWaiting(waitsFor: readonly string[]): string {
  if (waitsFor.length === 0) return ', and every node has let go of it';
  return `; ${waitsFor.join(', ')} will let go of it later (supercloud image list --leaving)`;
}
