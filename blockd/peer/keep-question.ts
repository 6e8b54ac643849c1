// The question to another store whether it keeps its copies of blocks, on a stream of its own. An answer that does not come
// in time is none, and one that comes later is heard by nobody: what it promised may have changed meanwhile.
import type { Clock } from '../../common/clock.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import { encodePeerFrame, type PeerFrame, PeerFrameReader } from './peer-frame.ts';
import type { Dial, PeerStream } from './peer-stream.ts';

/** The slowest supported link answers within 10 s (5 s each way), and the other store reads 4 MiB. */
const ANSWER_MS = 15_000;
const ID = 1;

/** What may go if another store keeps it. */
export interface KeepQuestion {
  readonly layer: string;
  readonly runs: readonly WantedRun[];
  /** Flushes were answered for it: only what is kept until there is something newer counts. */
  readonly flushed: boolean;
  /** The newest of the image that is known here. */
  readonly epoch: number;
}

/** Asks one node what it keeps; undefined when it cannot be reached or does not answer. */
export type AskKeep = (node: string, question: KeepQuestion) => Promise<readonly WantedRun[] | undefined>;

/** The question over streams. */
export function keepQuestion({ dial, clock }: { readonly dial: Dial; readonly clock: Clock }): AskKeep {
  return async (node, { layer, ...question }) => {
    const { promise, resolve } = Promise.withResolvers<readonly WantedRun[] | undefined>();
    const reader = new PeerFrameReader();
    const take = (frame: PeerFrame): void => resolve(frame.type === 'kept' && frame.id === ID ? frame.runs : undefined);
    const events = {
      received: (chunk: Uint8Array) => {
        if (!reader.receive(chunk, take)) resolve(undefined);
      },
      drained: () => undefined,
      closed: () => resolve(undefined),
    };
    const timer = clock.setTimer(ANSWER_MS, () => resolve(undefined));
    const stream = dial(node, layer, events);
    stream.then(
      (opened) => void opened.write(encodePeerFrame({ type: 'keep', id: ID, ...question })),
      () => resolve(undefined),
    );
    try {
      return await promise;
    } finally {
      timer.cancel();
      stream.then(close, () => undefined);
    }
  };
}

function close(stream: PeerStream): void {
  stream.close();
}
