// Draws the id of a new layer. 64 random bits: of a million layers two are alike once in thirty million clusters.
import { randomBytes } from 'node:crypto';

/** As `LayerId` in the wire's names. */
export function newLayerId(): string {
  return `l${randomBytes(8).toString('hex')}`;
}
