// Images that are open for reading. The catalogue has who reads what; a reader keeps it while its node gives signs of life
// and somebody uses the export there, so that one that died keeps nobody from writing for ever. The lease is timed here
// alone: who was cut off and reads on sees the state that it opened, and never one that is half written.
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { Admission } from '../admission.ts';
import type { Cluster } from '../cluster.ts';
import { byNewestStack } from './newest-stack.ts';

/** A node that is silent for so long has lost what it had open: several times what a restart of its daemons takes. */
const SILENT_MS = 60_000;
/** An export that nobody was connected to for so long is closed: a person may start a program by hand meanwhile. */
const UNUSED_MS = 900_000;

export interface ReadersParts {
  readonly cluster: Cluster;
  readonly admission: Pick<Admission, 'withImage'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Readers {
  readonly #parts: ReadersParts;
  /** By image and node: since when its node is silent, or nobody is connected. */
  readonly #idle = new Map<string, { readonly why: 'silent' | 'unused'; readonly sinceMs: number }>();

  constructor(parts: ReadersParts) {
    this.#parts = parts;
  }

  /** Answers the export's socket at the node. @throws OperationError IMAGE_OPEN, IMAGE_BUSY, PINNED and those of the node */
  open(image: string, at: string): Promise<{ node: string; socket: string }> {
    const { cluster, admission } = this.#parts;
    return admission.withImage(image, 'opened', async () => {
      const { node } = cluster.upNodeOf(at);
      const before = await cluster.controller.catalogue.call('image.head', { image });
      const head = await cluster.controller.catalogue.call('reader.open', { image, node });
      this.#idle.delete(keyOf(image, node));
      try {
        const serve = (now: Head, signal: AbortSignal): Promise<string> => this.#serve(now, node, signal);
        return { node, socket: await byNewestStack(this.#parts, head, serve) };
      } catch (error) {
        if (before.readers?.includes(node) !== true) await this.#end(image, node);
        throw error;
      }
    });
  }

  async #serve(head: Head, node: string, signal: AbortSignal): Promise<string> {
    const { cluster } = this.#parts;
    const { image, bytes, stack, epoch, last, holder } = head;
    // No epoch was granted: it is beyond every one that has ended, as the next writer's would be.
    const order = { image, bytes, stack, epoch: epoch + 1, last, from: cluster.endpoint(holder) };
    return (await cluster.clients(node).blockd.call('image.read', order, { signal })).socket;
  }

  /** Answers the node if it cannot be told now. @throws OperationError NOT_READER */
  async close(image: string, at: string): Promise<string[]> {
    const { cluster } = this.#parts;
    const { node } = cluster.nodeOf(at);
    const { readers = [] } = await cluster.controller.catalogue.call('image.head', { image });
    if (!readers.includes(node)) {
      throw new OperationError('NOT_READER', `image ${image} is not open for reading at ${node}`, {
        remedy: readers.length > 0 ? `it is at ${readers.join(', ')}` : 'look with supercloud image list',
      });
    }
    await this.#end(image, node);
    return cluster.isUp(node) ? [] : [node];
  }

  async #end(image: string, node: string): Promise<void> {
    await this.#parts.cluster.controller.catalogue.call('reader.close', { image, node });
    this.#idle.delete(keyOf(image, node));
  }

  /** Ends what has no reader any more; meant to be repeated every few seconds. */
  async tidy(): Promise<void> {
    const { heads } = await this.#parts.cluster.controller.catalogue.call('image.list', {});
    const open = heads.flatMap(({ image, readers = [] }) => readers.map((node) => ({ image, node })));
    for (const key of this.#idle.keys()) {
      if (!open.some(({ image, node }) => keyOf(image, node) === key)) this.#idle.delete(key);
    }
    const used = await this.#clients([...new Set(open.map(({ node }) => node))]);
    for (const { image, node } of open) await this.#look(image, node, used);
  }

  async #look(image: string, node: string, used: ReadonlySet<string>): Promise<void> {
    const { cluster, clock, log } = this.#parts;
    const key = keyOf(image, node);
    const why = !cluster.isUp(node) ? 'silent' : used.has(key) ? undefined : 'unused';
    const before = this.#idle.get(key);
    if (why === undefined) this.#idle.delete(key);
    else if (before?.why !== why) this.#idle.set(key, { why, sinceMs: clock.nowMs() });
    else if (clock.nowMs() - before.sinceMs >= (why === 'silent' ? SILENT_MS : UNUSED_MS)) {
      log.warn({ image, node, why }, 'an image that was open for reading is closed there');
      await this.#end(image, node);
    }
  }

  /** What has a client, by image and node. A node that does not answer now is judged by its signs of life. */
  async #clients(nodes: readonly string[]): Promise<ReadonlySet<string>> {
    const { cluster, log } = this.#parts;
    const used = await Promise.all(
      nodes.map(async (node) => {
        try {
          const { readers } = await cluster.clients(node).blockd.call('reader.list', {});
          return readers.flatMap(({ image, clients }) => (clients > 0 ? [keyOf(image, node)] : []));
        } catch (error) {
          log.debug({ node, reason: messageOf(error) }, 'who reads there is not known now');
          return [];
        }
      }),
    );
    return new Set(used.flat());
  }
}

function keyOf(image: string, node: string): string {
  return `${image} ${node}`;
}
