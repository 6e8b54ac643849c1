// Keeps the background pull going wherever an image is open, so that it comes to depend on no other node: a block
// daemon forgets the rate when it restarts. Blocks never pass through here.
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { StoreImage } from '../../wire/contracts/blockd.ts';
import type { Cluster } from '../cluster.ts';
import type { State } from '../state.ts';

/** Half of the lab's 200 Mbit/s: the guest's own fetches and the next migration keep the other half. */
const PULL_RATE_BYTES_PER_SECOND = 12_500_000;
/** A pull that fetched nothing for so long, though blocks are missing, has been forgotten or waits for a node. */
const STANDSTILL_MS = 30_000;

interface Progress {
  readonly fetchedBlocks: number;
  readonly sinceMs: number;
}

export class BackgroundPulls {
  readonly #state: State;
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By node and image. */
  readonly #progress = new Map<string, Progress>();

  constructor(options: { state: State; cluster: Cluster; clock: Clock; log: Log }) {
    this.#state = options.state;
    this.#cluster = options.cluster;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  /** Fetches what is missing at the node where the image is open, at the image's rate. */
  async start(image: string, node: string): Promise<void> {
    await this.#cluster.clients(node).blockd.call('pull.set', { image, rateBytesPerSecond: this.#rate(image) });
  }

  /** The same where nobody waits for it: what fails now is found standing still later. Never rejects. */
  async startSoon(image: string, node: string): Promise<void> {
    try {
      await this.start(image, node);
    } catch (error) {
      this.#log.warn({ image, node, reason: messageOf(error) }, 'the background pull was not started');
    }
  }

  #rate(image: string): number {
    return this.#state.get('images', image)?.pullRateBytesPerSecond ?? PULL_RATE_BYTES_PER_SECOND;
  }

  /** Looks at the images of all VMs, starts again what stands still, and tells what each VM's stores say. */
  async look(
    tell: (vm: string, stores: readonly StoreImage[]) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const vms = this.#state.all('vms').filter(({ phase, node }) => phase === 'settled' && this.#cluster.isUp(node));
    const keys = new Set(vms.flatMap(({ node, spec }) => spec.disks.map(({ image }) => keyOf(node, image))));
    for (const key of this.#progress.keys()) if (!keys.has(key)) this.#progress.delete(key);
    await Promise.all(
      vms.map(async ({ vm, node, spec }) => {
        const stores = await Promise.all(spec.disks.map(({ image }) => this.#lookAt(node, image)));
        const said = stores.filter((store) => store !== undefined);
        if (said.length === spec.disks.length) await tell(vm, said);
      }),
    );
  }

  /** What the store says; undefined when it was not reached. */
  async #lookAt(node: string, image: string): Promise<StoreImage | undefined> {
    try {
      const store = await this.#cluster.clients(node).blockd.call('image.show', { image });
      if (this.#standsStill(keyOf(node, image), store)) await this.start(image, node);
      return store;
    } catch (error) {
      this.#log.info({ image, node, reason: messageOf(error) }, 'its background pull was not looked at');
      return undefined;
    }
  }

  #standsStill(key: string, { dependsOn, counters }: StoreImage): boolean {
    const { fetchedInBackgroundBlocks: fetchedBlocks } = counters;
    const nowMs = this.#clock.nowMs();
    const before = this.#progress.get(key);
    if (before?.fetchedBlocks !== fetchedBlocks || dependsOn.length === 0) {
      this.#progress.set(key, { fetchedBlocks, sinceMs: nowMs });
      return false;
    }
    if (nowMs - before.sinceMs < STANDSTILL_MS) return false;
    this.#progress.delete(key);
    return true;
  }
}

function keyOf(node: string, image: string): string {
  return `${node} ${image}`;
}
