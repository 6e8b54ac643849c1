// Has the catalogue made again from what every store says that can be asked. What follows from it the catalogue decides.
import { isNewerMark } from '../../common/catalogue-mark.ts';
import type { Clock } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { RebuildMode, RebuildOrder, RebuildReport } from '../../wire/contracts/rebuild.ts';
import type { KeptRecords } from '../../wire/contracts/store-report.ts';
import type { Cluster } from '../cluster.ts';
import { isEnded } from '../migration/migration-journal.ts';
import type { State } from '../state.ts';
import type { CatalogueWatch } from './catalogue-watch.ts';

/** What is in doubt for a reason that no coming or going of a store ends, as a writer that stands still, is tried so often. */
const RETRY_MS = 60_000;

export interface CatalogueRebuildParts {
  readonly state: State;
  readonly cluster: Cluster;
  readonly watch: Pick<CatalogueWatch, 'compare'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class CatalogueRebuild {
  readonly #parts: CatalogueRebuildParts;
  /** Who was there when it was last tried to settle what is in doubt, and when that was. */
  #triedWith = '';
  #triedAtMs = 0;

  constructor(parts: CatalogueRebuildParts) {
    this.#parts = parts;
  }

  /** @throws OperationError REBUILD_CONFLICT, REBUILD_RACED, NOTHING_TO_ACCEPT, NO_IMAGE, IMAGE_OPEN, IMAGE_IN_USE */
  async rebuild(mode: RebuildMode, accept: string[] = []): Promise<RebuildReport> {
    if (mode === 'execute' && accept.length > 0) await this.#closeFirst(accept);
    return this.#rebuild(mode, accept);
  }

  /** What may not go on under its epoch ends there, in the state that is to be taken. */
  async #closeFirst(accept: readonly string[]): Promise<void> {
    const { images } = await this.#rebuild('plan', []);
    for (const { image, toClose } of images) {
      if (toClose === undefined || !accept.includes(image)) continue;
      const { node, layer, epoch } = toClose;
      await this.#parts.cluster.clients(node).blockd.call('image.close', { image, layer, epoch });
    }
  }

  async #rebuild(mode: RebuildMode, accept: string[]): Promise<RebuildReport> {
    const order = { mode, accept, ...(await this.#askAll()), migrations: this.#migrations() };
    return this.#parts.cluster.controller.catalogue.call('catalogue.rebuild', order);
  }

  /** When a store has come back, and every minute: what was in doubt for want of it, or of a decision, is settled. */
  async reconcile(): Promise<void> {
    const { cluster, clock, log } = this.#parts;
    const { doubtful, state } = await cluster.controller.catalogue.call('catalogue.state', {});
    const up = cluster.endpoints().filter(({ node }) => cluster.isUp(node));
    const tried = `${up.map(({ node }) => node)} ${doubtful}`;
    if (doubtful.length === 0 || state.behind !== '') return;
    if (tried === this.#triedWith && clock.nowMs() - this.#triedAtMs < RETRY_MS) return;
    const { images } = await this.#rebuild('reconcile', []);
    this.#triedWith = tried;
    this.#triedAtMs = clock.nowMs();
    for (const { image, reason } of images) log.info({ image, reason }, 'an image is not in doubt any more');
  }

  /** Every member's store, and the newest copy of the records that one of them keeps. */
  async #askAll(): Promise<Pick<RebuildOrder, 'answered' | 'members' | 'kept'>> {
    const { cluster, watch, log } = this.#parts;
    const members = cluster.endpoints().map(({ node }) => node);
    const answered: string[] = [];
    let newest: KeptRecords | null = null;
    for (const node of members) {
      try {
        await watch.compare(node);
        const { kept } = await cluster.clients(node).blockd.call('records.show', {});
        if (kept !== null && (newest === null || isNewerMark(kept.mark, newest.mark))) newest = kept;
        answered.push(node);
      } catch (error) {
        log.info({ node, reason: messageOf(error) }, 'its store says nothing to the rebuild');
      }
    }
    return { members, answered, kept: newest };
  }

  #migrations(): RebuildOrder['migrations'] {
    const { state } = this.#parts;
    return state
      .all('migrations')
      .filter((record) => !isEnded(record))
      .map(({ migration, vm, from, to }) => {
        const images = state.get('vms', vm)?.spec.disks.map(({ image }) => image) ?? [];
        return { migration, from, to, images };
      });
  }
}
