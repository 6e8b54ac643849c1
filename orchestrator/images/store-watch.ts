// Asks each node's store how far it has come, every ten seconds and before an epoch or a transfer begins or ends there, and tells
// the catalogue, which notices a store that was put back or that has a twin (SOUNDNESS D2): then what was open there is closed,
// unless a client has it. Decides nothing itself.
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { CallOptions } from '../../common/rpc/client.ts';
import type { Result } from '../../wire/contract.ts';
import type { catalogueContract } from '../../wire/contracts/catalogue.ts';
import { HEARD_NOTCHES_MAX, type HeardNotch } from '../../wire/contracts/store-notch.ts';
import type { Cluster } from '../cluster.ts';

/** Of what is put back younger than this it may not be noticed; each look is a small write at a node that is written at. */
export const STORES_INTERVAL_MS = 10_000;
/** A commit puts fifty images in doubt; what comes between two questions costs one more. */
const ROUNDS_MAX = 100;

type Doubtful = Result<typeof catalogueContract, 'notch.heard'>['doubtful'][number];

export class StoreWatch {
  readonly #cluster: Cluster;
  readonly #log: Log;

  constructor(options: { cluster: Cluster; log: Log }) {
    this.#cluster = options.cluster;
    this.#log = options.log;
  }

  /** Every store that can be asked. @throws OperationError of the catalogue */
  async look(): Promise<void> {
    const up = this.#cluster.endpoints().flatMap(({ node }) => (this.#cluster.isUp(node) ? [node] : []));
    for (let from = 0; from < up.length; from += HEARD_NOTCHES_MAX) {
      await this.#hear(up.slice(from, from + HEARD_NOTCHES_MAX), {}, async (node, asking) => {
        try {
          return [await asking];
        } catch (error) {
          this.#log.info({ node, reason: messageOf(error) }, 'how far its store has come is not known');
          return [];
        }
      });
    }
  }

  /**
   * Answers once the catalogue knows which of these stores are not what they were.
   * @throws OperationError of a node or the catalogue, CANCELLED by the signal
   */
  async check(nodes: readonly string[], options: Pick<CallOptions<never>, 'signal'> = {}): Promise<void> {
    await this.#hear(nodes, options, async (_, asking) => [await asking]);
  }

  async #hear(
    nodes: readonly string[],
    options: Pick<CallOptions<never>, 'signal'>,
    taken: (node: string, asking: Promise<HeardNotch>) => Promise<HeardNotch[]>,
  ): Promise<void> {
    const { catalogue } = this.#cluster.controller;
    const isReported = new Set<string>();
    let left = nodes;
    for (let round = 0; left.length > 0; round++) {
      if (round === ROUNDS_MAX) throw unsettled(left);
      const { notches } = await catalogue.call('notch.list', {}, options);
      const counts = new Map(notches.map(({ node, notch }) => [node, notch.count]));
      const asked = left.map((node) =>
        taken(node, this.#ask(node, counts.get(node) ?? 0, isReported.has(node), options)),
      );
      const heard = (await Promise.all(asked)).flat();
      if (heard.length === 0) return;
      const { again, doubtful } = await catalogue.call('notch.heard', { heard });
      await Promise.all(doubtful.map((one) => this.#end(one)));
      for (const node of again) isReported.add(node);
      left = again;
    }
  }

  /** What is there is nobody's newest state: it is shown to no client, and nothing more is written under its epoch. */
  async #end({ image, node, reason }: Doubtful): Promise<void> {
    this.#log.error({ image, node, reason }, 'an image may not be in its newest state');
    const { blockd } = this.#cluster.clients(node);
    try {
      const { role, layer, epoch } = await blockd.call('image.show', { image });
      if (role === 'writer') await blockd.call('image.close', { image, layer, epoch });
    } catch (error) {
      this.#log.warn({ image, node, reason: messageOf(error) }, 'what is there of it is not closed');
    }
  }

  async #ask(
    node: string,
    at: number,
    isReported: boolean,
    options: Pick<CallOptions<never>, 'signal'>,
  ): Promise<HeardNotch> {
    const { blockd } = this.#cluster.clients(node);
    const said = await blockd.call('store.notch', { at }, options);
    return { node, said, ...(isReported ? { report: await blockd.call('store.report', {}, options) } : {}) };
  }
}

function unsettled(nodes: readonly string[]): OperationError {
  return new OperationError('STORE_UNHEARD', `what the store of ${nodes.join(', ')} has become was not settled`, {
    remedy: 'Try again in some seconds; see that one controller leads.',
  });
}
