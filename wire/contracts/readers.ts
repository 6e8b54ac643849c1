// Images that are open for reading: what a store and the orchestrator are asked for it. The catalogue says who has what
// open (`catalogue.ts`).
import { Type } from '#typebox';
import { method } from '../contract.ts';
import { Bytes, Endpoint, Epoch, Name } from '../names.ts';
import { Closing, Stack } from './layers.ts';

const Empty = Type.Object({});

/** A store's calls. */
export const storeReaderCalls = {
  /**
   * Serves a closed image, which the records kept here name as read here, as its last epoch closed: read-only, at the
   * socket that is answered, until they name it no more or it is opened for writing here. Tables that are not here are
   * fetched as for an opening. `epoch`: the one after the newest. May be repeated.
   */
  'image.read': method(
    ['controller'],
    Type.Object({ image: Name, bytes: Bytes, stack: Stack, epoch: Epoch, last: Closing, from: Endpoint }),
    Type.Object({ socket: Type.String() }),
    { timeoutMs: 120_000 },
  ),
  /** The images that are served so, and how many clients each has. */
  'reader.list': method(
    ['controller'],
    Empty,
    Type.Object({ readers: Type.Array(Type.Object({ image: Name, clients: Type.Integer({ minimum: 0 }) })) }),
  ),
};

/** The orchestrator's. `at`: a node, or the one of a cloud. */
export const readerCalls = {
  /** Opens a closed image for reading, at one more node; answers the NBD export there. Nobody writes it meanwhile. */
  'image.open': method(
    ['operator'],
    Type.Object({ image: Name, at: Name }),
    Type.Object({ node: Name, socket: Type.String() }),
    { timeoutMs: 130_000 },
  ),
  /** Ends that; its clients lose it. Answers the node if it will hear of it later. */
  'image.close': method(
    ['operator'],
    Type.Object({ image: Name, at: Name }),
    Type.Object({ waitsFor: Type.Array(Name) }),
    { timeoutMs: 60_000 },
  ),
};
