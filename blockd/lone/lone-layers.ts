// Layers that nothing names any more, at a blockd that is alone: each is dropped, also after a restart. What the catalogue
// names is never dropped, and what was merged goes with its merge.

import { isFull } from '../../common/disk/disk-room.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { LONE_NODE } from '../../wire/contracts/alone.ts';
import type { Leaving } from '../../wire/contracts/catalogue.ts';
import type { KeptRoom } from './kept-room.ts';
import { HERE, type LoneNode } from './lone-node.ts';

/** What passes by itself. */
const PASSING = ['LAYER_IN_USE', 'LAYER_BUSY'];

export class LoneLayers {
  readonly #node: LoneNode;
  readonly #room: KeptRoom;
  readonly #log: Pick<Log, 'info' | 'warn'>;
  /** The store's copy of the records is older than they are. */
  #isOld = false;
  /** Why something does not go yet; told once, until all is gone. */
  #reason = '';

  constructor(node: LoneNode, room: KeptRoom, log: Pick<Log, 'info' | 'warn'>) {
    this.#node = node;
    this.#room = room;
    this.#log = log;
  }

  /**
   * Drops what is to leave; one that is still read goes with the next sweep, and so do all while the store's copy of the records
   * has no room: a catalogue that is made again from it must not name what is gone. `isChanged`: something was deleted, though
   * perhaps no layer with it. Answers whether nothing is left. Never rejects.
   */
  async sweep(isChanged = false): Promise<boolean> {
    const { records, catalogue, store } = this.#node;
    const dropped = (): Leaving[] => records.leaving.filter(({ merge }) => merge === undefined);
    this.#isOld ||= isChanged;
    if (!this.#isOld && dropped().length === 0) return true;
    try {
      await this.#room.useFor(() => this.#node.keepRecords());
      this.#isOld = false;
    } catch (error) {
      this.#waits(error, 'layers go later: the records cannot be kept');
      return false;
    }
    for (const { layer } of dropped()) {
      try {
        await store['layer.drop']({ layer }, HERE);
        await catalogue['layer.gone']({ layer, node: LONE_NODE }, HERE);
      } catch (error) {
        this.#waits(error, `layer ${layer} goes later`);
      }
    }
    const areGone = dropped().length === 0;
    if (areGone) this.#reason = '';
    return areGone;
  }

  /** What is read, or has no room, goes by itself later; anything else a person should know of. */
  #waits(error: unknown, what: string): void {
    const reason = `${what}: ${messageOf(error)}`;
    if (reason === this.#reason) return;
    this.#reason = reason;
    if (isFull(error) || PASSING.includes(codeOf(error) ?? '')) this.#log.info({ reason }, 'what was deleted waits');
    else this.#log.warn({ reason }, 'what was deleted waits');
  }
}
