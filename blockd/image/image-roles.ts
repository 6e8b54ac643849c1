// The roles that an image is granted at this store, what they let happen, and the refusals that say so.
import { OperationError } from '../../common/errors.ts';
import type { Closing, ImageRole } from '../../wire/contracts/blockd.ts';
import type { Endpoint } from '../../wire/names.ts';
import type { StoreState } from '../store/store-record.ts';

/** A granted opening: for writing under the epoch, or for reading before it. */
export interface Opening {
  readonly epoch: number;
  readonly last: Closing;
  readonly from: Endpoint;
}

/** A granted stand-by. */
export interface StandBy {
  readonly migration: string;
  readonly epoch: number;
  readonly from: Endpoint;
}

/** Whether somebody writes, or is about to: the layers must stay as they are. */
export function isOpen(role: ImageRole): boolean {
  return role === 'writer' || role === 'standby' || role === 'frozen' || role === 'cutting';
}

/** A writer, whatever it waits for. */
export function isWriter(role: ImageRole): boolean {
  return role === 'writer' || role === 'frozen' || role === 'cutting';
}

/** An epoch that ended, or that is not beyond every ended one, can write nothing any more (promise S4). @throws OperationError EPOCH_ENDED */
export function checkEpoch({ image, ends }: StoreState, epoch: number): void {
  const newest = ends.reduce((most, end) => Math.max(most, end.epoch), -1);
  if (epoch > newest) return;
  throw new OperationError('EPOCH_ENDED', `image ${image}: epoch ${epoch} is not after ${newest}, which has ended`, {
    remedy: 'Ask the catalogue for a new epoch.',
  });
}

/** Of a step that only the writer takes. `asked`: the epoch that it was meant for. */
export function notWriter(operation: string, { image, role, epoch }: StoreState, asked?: number): OperationError {
  const under = asked === undefined ? '' : ` under epoch ${asked}`;
  return new OperationError(
    'NOT_WRITER',
    `cannot ${operation} image ${image}${under}: it is a ${role} of epoch ${epoch} here`,
    { remedy: 'Ask the catalogue which node writes it.' },
  );
}

/** Of an image that has been cut here while its closer has not heard of it. */
export function otherTop(image: string, layer: string): OperationError {
  return new OperationError('OTHER_TOP', `layer ${layer} is no longer the top of image ${image} here`, {
    remedy: 'Let the snapshot that cut it be finished first: that is tried every few seconds.',
  });
}
