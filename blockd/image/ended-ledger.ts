// What has ended at this node for good: migrations, cuts, and epochs that were given back unused. A call of one of them that
// was on its way for long comes to nothing. It takes no step with any image.
import { Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { OperationError } from '../../common/errors.ts';
import { StateFile } from './state-file.ts';

/** A caller gives a call up after seconds or minutes: what ended so many endings ago has no call under way any more. */
const ENDED_MAX = 256;

/** A migration's id, a cut's behind `cut/`, or an image's top layer and an epoch; no id has a slash. */
const Ended = Type.Array(Type.String());

/** The newest endings, the oldest first. */
export class EndedLedger {
  readonly #file: StateFile<typeof Ended>;
  #ended: string[] = [];
  #isWritten = true;

  constructor(disk: Disk, path: string) {
    this.#file = new StateFile(disk, path, Ended);
  }

  /** Reads what an earlier process wrote. */
  async load(): Promise<void> {
    this.#ended = (await this.#file.read()) ?? [];
  }

  /** Known at once, durable with the answer. @throws Error of the disk; it is known here all the same */
  endMigration(migration: string): Promise<void> {
    return this.#add(migration);
  }

  /** As `endMigration`, of an epoch that nothing was or will be written under. */
  endEpoch(layer: string, epoch: number): Promise<void> {
    return this.#add(epochName(layer, epoch));
  }

  /** As `endMigration`. */
  endCut(cut: string): Promise<void> {
    return this.#add(`cut/${cut}`);
  }

  /** @throws OperationError CUT_ENDED */
  checkCut(cut: string): void {
    if (!this.#ended.includes(`cut/${cut}`)) return;
    throw new OperationError('CUT_ENDED', `cut ${cut} was given up at this node already`, {
      remedy: 'Begin a new one.',
    });
  }

  /** @throws OperationError MIGRATION_ENDED */
  checkMigration(migration: string): void {
    if (!this.#ended.includes(migration)) return;
    throw new OperationError('MIGRATION_ENDED', `migration ${migration} has ended at this node already`, {
      remedy: 'Begin a new migration.',
    });
  }

  /** @throws OperationError EPOCH_ENDED */
  checkEpoch(layer: string, epoch: number): void {
    if (!this.#ended.includes(epochName(layer, epoch))) return;
    throw new OperationError('EPOCH_ENDED', `epoch ${epoch} of layer ${layer} was given back unused at this node`, {
      remedy: 'Ask the catalogue for a new epoch.',
    });
  }

  async #add(name: string): Promise<void> {
    if (this.#ended.includes(name) && this.#isWritten) return;
    const ended = [...this.#ended.filter((other) => other !== name), name].slice(-ENDED_MAX);
    this.#ended = ended;
    this.#isWritten = false;
    await this.#file.write(ended);
    this.#isWritten = this.#ended === ended;
  }
}

function epochName(layer: string, epoch: number): string {
  return `${layer}/${epoch}`;
}
