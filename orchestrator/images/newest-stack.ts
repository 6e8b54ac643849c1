// Has a node open an image by the layers that it has now. Layers below it may become one while the node still brings them:
// then nobody has what was named, and it is ordered anew by what the catalogue names.
import type { Clock } from '../../common/clock.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { Cluster } from '../cluster.ts';

/** An opening takes less, unless tables are large or far away. */
const LOOK_MS = 3_000;

/** Gives the order up when its layers were merged, and repeats it, as often as that happens. @throws what the order throws */
export async function byNewestStack<T>(
  { cluster, clock }: { readonly cluster: Cluster; readonly clock: Clock },
  head: Head,
  order: (head: Head, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  for (let current = head; ; ) {
    const watch = new StackWatch(cluster, clock, current);
    try {
      return await order(current, watch.signal);
    } catch (error) {
      // A merge takes a layer away: there are fewer each time.
      if (watch.newer === undefined) throw error;
      current = watch.newer;
    } finally {
      watch.stop();
    }
  }
}

class StackWatch {
  /** The head whose layers are others. */
  newer: Head | undefined;
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #head: Head;
  readonly #end = new AbortController();
  #stop: () => void = () => undefined;
  #isStopped = false;

  constructor(cluster: Cluster, clock: Clock, head: Head) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#head = head;
    this.#lookLater();
  }

  get signal(): AbortSignal {
    return this.#end.signal;
  }

  stop(): void {
    this.#isStopped = true;
    this.#stop();
  }

  #lookLater(): void {
    const timer = this.#clock.setTimer(LOOK_MS, () => void this.#look());
    this.#stop = () => timer.cancel();
  }

  async #look(): Promise<void> {
    const { image, stack } = this.#head;
    const now = await this.#cluster.controller.catalogue.call('image.head', { image }).catch(() => undefined);
    if (this.#isStopped) return;
    const isMerged =
      now !== undefined && now.stack.layer === stack.layer && now.stack.below.length < stack.below.length;
    if (isMerged) {
      this.newer = now;
      this.#end.abort();
    } else this.#lookLater();
  }
}
