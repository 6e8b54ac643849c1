// The errors of a device as the protocol's numbers ("Error values"). It invents none.
import { codeOf } from '../../common/errors.ts';
import { NBD_ERROR } from './nbd-protocol.ts';

/** The protocol's number for what a device threw. */
export function errorNumber(error: unknown): number {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return NBD_ERROR.ENOSPC;
    case 'EXPORT_ENDED':
      return NBD_ERROR.ESHUTDOWN;
    default:
      return NBD_ERROR.EIO;
  }
}
