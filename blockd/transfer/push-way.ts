// The way of an image's blocks to stores that follow it: each block under the version that it has now and that is durable
// here, so that no number is out before its data is (SOUNDNESS A1, A2). It sends no data: who wants it fetches it.

import { type BlockStack, IN_FILE } from '../image/block-stack.ts';
import type { Image } from '../image/image.ts';
import type { WantedRun } from '../layers/block-fetcher.ts';
import type { Followers } from '../peer/followers.ts';
import type { PeerFrame } from '../peer/peer-frame.ts';
import type { PushOrder } from '../propagation/propagator-parts.ts';
import type { PushRun } from '../propagation/push-queue.ts';

/** The way of blocks to other nodes. */
export interface PushWay {
  /** Whether the node can be offered blocks of the image now. */
  mayTake(node: string): boolean;
  /** The node at which the image is about to be written. */
  comingTo(): string | undefined;
  /** Tells a node what it will need when the image is written there. */
  tell(node: string, frame: PeerFrame & { type: 'heat' | 'memory' }): void;
  /** Calls back when any of that has changed, until the answer is called. */
  watch(watcher: () => void): () => void;
  /** Offers blocks; `settled` is called once for each of them, in parts: they are durable there, or not. */
  push(order: PushOrder, settled: (part: PushRun, isHeld: boolean) => void): void;
}

interface Offered {
  readonly layer: string;
  readonly run: WantedRun;
}

/** The offers of one image. */
export class FollowerWay implements PushWay {
  readonly #image: Image;
  readonly #followers: Followers;

  constructor(image: Image, followers: Followers) {
    this.#image = image;
    this.#followers = followers;
  }

  mayTake(node: string): boolean {
    return this.#followers.find(this.#image.store.layer, node)?.mayTake ?? false;
  }

  comingTo(): string | undefined {
    return this.#followers.comingTo(this.#image.store.layer);
  }

  watch(watcher: () => void): () => void {
    return this.#followers.watch(watcher);
  }

  tell(node: string, frame: Parameters<PushWay['tell']>[1]): void {
    this.#followers.find(this.#image.store.layer, node)?.tell(frame);
  }

  push({ place, first, count }: PushOrder, settled: Parameters<PushWay['push']>[1]): void {
    const { stack, store } = this.#image;
    const follower = this.#followers.find(store.layer, place);
    for (let block = first; block < first + count; ) {
      const offered = offerOf(stack, block, first + count);
      const part = { first: block, count: offered?.run.count ?? 1 };
      if (offered === undefined || follower === undefined) settled(part, false);
      else follower.offer(offered.layer, [offered.run], (isHeld) => settled(part, isHeld));
      block += part.count;
    }
  }
}

/** The blocks from the first on that share layer and version; undefined when it is not durable here, or nothing to send. */
function offerOf(stack: BlockStack, first: number, end: number): Offered | undefined {
  const run = stack.runAt(first, end);
  const { layer, table } = run.layer.store;
  if (run.content !== IN_FILE || table.isChanged(first)) return undefined;
  const { high, low } = table.versionOf(first);
  let count = 1;
  const isAlike = (block: number): boolean => table.equals(block, high, low) && !table.isChanged(block);
  while (first + count < run.end && isAlike(first + count)) count++;
  return { layer, run: { first, count, high, low } };
}
