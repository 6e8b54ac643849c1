// How far a node's store has come in its life, as a ratchet that only goes on: what the catalogue has seen of it once, the
// store must be able to say again for ever, or it is an older copy of itself (SOUNDNESS D2). Shapes only.
import { Type } from '#typebox';
import { Name } from '../names.ts';
import { StoreReport } from './store-report.ts';

const Count = Type.Integer({ minimum: 0 });
/** Drawn at random: 16 hexadecimal digits. */
export const NotchWord = Type.String({ pattern: '^[0-9a-f]{16}$' });

/** A place on the ratchet of one store: the how manieth it is, and the word that was drawn for it. */
export const Notch = Type.Object({
  /** Of the store, drawn when it was made: one that was emptied is another store. */
  store: NotchWord,
  count: Count,
  word: NotchWord,
});
export type Notch = Type.Static<typeof Notch>;

/** What a store answers: where it is, and what it knows of the notch that it was asked for. */
export const SaidNotch = Type.Object({
  now: Notch,
  /** The count that was asked for. */
  at: Count,
  /** The word of that notch; absent where the store never was there, or was there too long ago to remember. */
  wordAt: Type.Optional(NotchWord),
});
export type SaidNotch = Type.Static<typeof SaidNotch>;

/** The newest notch that a node's store was seen at. */
export const NodeNotch = Type.Object({ node: Name, notch: Notch });
export type NodeNotch = Type.Static<typeof NodeNotch>;

/** A node's answer as the catalogue hears it; the report is wanted of a store that is behind only. */
export const HeardNotch = Type.Object({ node: Name, said: SaidNotch, report: Type.Optional(StoreReport) });
export type HeardNotch = Type.Static<typeof HeardNotch>;

/** Answers of stores that the catalogue hears in one commit: etcd takes 128 operations in one. */
export const HEARD_NOTCHES_MAX = 50;
