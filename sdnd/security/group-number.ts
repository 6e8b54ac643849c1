// The number by which entries of a switch name a security group: the same for a name at every switch and in every life of the
// controller, so that an entry says the same as long as it is there, whatever other groups come and go. Pure.
import { createHash } from 'node:crypto';

/** In two registers, since two names that had one number would be one group: of 64 bits nobody finds such names by chance. */
export interface GroupNumber {
  readonly reg7: number;
  readonly reg8: number;
}

export function groupNumber(name: string): GroupNumber {
  const digest = createHash('sha256').update(name).digest();
  return { reg7: digest.readUInt32BE(0), reg8: digest.readUInt32BE(4) };
}
