// What a node's block daemon counts, for people and for whoever collects it. Shapes only.
import { Type } from 'typebox';

/**
 * What bytes crossed for, as this node sees it: fetched because a client waited (`demand`) or because nobody did
 * (`background`: the pull, and seeding) or because the writer offered it (`pushed`), given to others for their reasons (`served`), version entries in either direction
 * (`table`).
 */
const TrafficCause = Type.Union([
  Type.Literal('demand'),
  Type.Literal('background'),
  Type.Literal('pushed'),
  Type.Literal('served'),
  Type.Literal('table'),
]);
export type TrafficCause = Type.Static<typeof TrafficCause>;
