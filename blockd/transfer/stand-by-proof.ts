// Whether a stand-by is what its writer ended with: all its layers are here, and its table equals the closing, durably. Only
// then it may write.
import { OperationError } from '../../common/errors.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Image } from '../image/image.ts';
import { sameTable } from '../peer/table-follower.ts';
import type { FollowedTable } from './followed-table.ts';
import type { StackCompletion } from './stack-completion.ts';

export interface StandByParts {
  readonly image: Image;
  readonly table: Pick<FollowedTable, 'ready' | 'difference' | 'end'>;
  readonly below: Pick<StackCompletion, 'ready' | 'missing'>;
}

/** The proof of one image's stand-by. */
export class StandByProof {
  readonly #parts: StandByParts;

  constructor(parts: StandByParts) {
    this.#parts = parts;
  }

  /** Answers once the writer's table and the layers below are here. @throws OperationError NOT_FOLLOWING, CANCELLED */
  async ready(end: AbortSignal): Promise<void> {
    const { image, table, below } = this.#parts;
    if (!image.store.state.verified) await table.ready(end);
    await below.ready(end);
  }

  /** Whether the table equals the closing, and durably so, within the time; else in one sentence why not. */
  async verify(closing: Closing, signal: AbortSignal): Promise<string> {
    const { image, table, below } = this.#parts;
    const { state, image: name } = image.store;
    if (state.role !== 'standby') return `image ${name} is a ${state.role} here, not a stand-by`;
    const missing = await below.missing(signal);
    if (missing !== '') return missing;
    const { generation } = state;
    if (closing.generation !== generation) {
      return `image ${name} has generation ${generation} of its layers here, and was closed with ${closing.generation}`;
    }
    if (state.verified && state.closing !== null && sameTable(image.store.table.mark, closing)) return '';
    if (closing.epoch >= state.epoch) return `image ${name}: epoch ${closing.epoch} is not before ${state.epoch}`;
    const difference = await table.difference(closing, signal);
    if (difference !== '') return difference;
    table.end();
    await image.verified(closing);
    return '';
  }

  /** The closing that it was verified against. @throws OperationError NOT_VERIFIED */
  verified(migration: string): Closing {
    const { state, table, image } = this.#parts.image.store;
    const { closing, verified, role } = state;
    if (role === 'standby' && verified && closing !== null && sameTable(table.mark, closing)) return closing;
    throw new OperationError('NOT_VERIFIED', `image ${image} was not verified for migration ${migration}`, {
      remedy: 'Verify it against the closings that the source released.',
    });
  }
}
