// Which of two copies of the catalogue's records is the newer. Catalogue, stores and orchestrator must agree on it.
import type { CatalogueMark } from '../wire/contracts/store-report.ts';

export function isNewerMark(one: CatalogueMark, other: CatalogueMark): boolean {
  if (one.incarnation !== other.incarnation) return one.incarnation > other.incarnation;
  return one.serial > other.serial;
}
