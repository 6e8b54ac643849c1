// What an answer to a client waits for beside this node's own disk. An interface, and the image that waits for nothing.

/** Done at once (undefined) or when the promise is. */
export type Answer = Promise<void> | undefined;

/** When a barrier that has passed on this node's disk may be answered. */
export interface FlushSafety {
  /** Which requests wait: FLUSH and FUA, or every change; a policy says so. */
  readonly waitsAt: 'nothing' | 'flush' | 'write';
  /** Everything that is durable here now is so wherever it has to be. @throws OperationError EXPORT_ENDED */
  safe(): Answer;
}

/** This node's disk is enough. */
export const LOCAL_SAFETY: FlushSafety = { waitsAt: 'nothing', safe: () => undefined };

/** The answer to a flush whose own barrier is on its way. */
export function safely(safety: FlushSafety, barrier: Answer): Answer {
  if (safety.waitsAt === 'nothing') return barrier;
  return barrier === undefined ? safety.safe() : barrier.then(() => safety.safe());
}
