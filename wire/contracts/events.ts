// What a person should know of, and may have to act on. Shapes only.
import { Type } from 'typebox';
import { Ipv4, Name } from '../names.ts';

const asking = {
  vm: Name,
  node: Name,
  place: Name,
  atMs: Type.Number(),
  /** Null while it lasts. */
  endedMs: Type.Union([Type.Number(), Type.Null()]),
};

/** A VM asked at its node for what is pinned to another place: it waits until it has moved there, or the pin is gone. */
export const PinEvent = Type.Object({
  ...asking,
  image: Name,
  /** Requests that wait now. */
  waiting: Type.Integer({ minimum: 0 }),
});
export type PinEvent = Type.Static<typeof PinEvent>;

/** A VM sent at its node to a stub of another place: what it sends is dropped until it has moved there, or the stub is gone. */
export const AddressEvent = Type.Object({
  ...asking,
  stub: Name,
  address: Ipv4,
  /** Why it is not moved, in a sentence; empty while it is, or is about to be. */
  trouble: Type.String(),
});
export type AddressEvent = Type.Static<typeof AddressEvent>;

export const StubEvent = Type.Union([PinEvent, AddressEvent]);
export type StubEvent = Type.Static<typeof StubEvent>;
