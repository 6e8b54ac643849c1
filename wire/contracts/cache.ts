// The cap on what a store only caches: shapes, and the calls by which a person sees and sets it. The most that blocks may
// take of which another store keeps a copy and that no image open at the store needs.
import { Type } from '#typebox';
import { method } from '../contract.ts';
import { Bytes, Name } from '../names.ts';

/** Null: no cap; a tenth of the disk is kept free of cached blocks all the same. */
export const CacheCapBytes = Type.Union([Bytes, Type.Null()]);

/** What one store caches. */
export const CacheState = Type.Object({
  capBytes: CacheCapBytes,
  /** At most so much is only cached now: blocks that are zeros count too. */
  cachedBytes: Bytes,
  /** Of the disk that the store lies on. */
  freeBytes: Bytes,
  totalBytes: Bytes,
});
export type CacheState = Type.Static<typeof CacheState>;

/** The stores' caps as the orchestrator asks for them. */
export const CacheStates = Type.Object({
  stores: Type.Array(Type.Object({ node: Name, ...CacheState.properties })),
  /** Nodes that did not answer. */
  unreachable: Type.Array(Name),
});
export type CacheStates = Type.Static<typeof CacheStates>;

/** A store's calls. What is set holds from now on, also over a restart, whatever the configuration says. */
export const storeCacheCalls = {
  'cache.show': method(['controller', 'self'], Type.Object({}), CacheState),
  'cache.set': method(['controller'], Type.Object({ capBytes: CacheCapBytes }), CacheState),
};

/** The orchestrator's: of one node (or the one of a cloud), or of all. */
export const cacheCalls = {
  'cache.show': method(['operator'], Type.Object({ node: Type.Optional(Name) }), CacheStates),
  'cache.set': method(['operator'], Type.Object({ node: Name, capBytes: CacheCapBytes }), CacheStates),
};
