// Pieces of work that go on at the same time and belong together. The first failure ends the others, and nobody goes on
// before all of them have ended: what follows a failure must not meet a piece that is still at work.

/**
 * Begins the pieces and waits for all; `side` is aborted when the signal is or one of them has failed.
 * @throws the first failure
 */
export async function sideBySide(
  signal: AbortSignal,
  begin: (side: AbortSignal) => readonly Promise<unknown>[],
): Promise<void> {
  const failure = new AbortController();
  const pieces = begin(AbortSignal.any([signal, failure.signal]));
  // The first reason stays: what the others say when they are ended is its consequence.
  await Promise.all(pieces.map((piece) => piece.catch((error: unknown) => failure.abort(error))));
  failure.signal.throwIfAborted();
}
