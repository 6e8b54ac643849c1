// What a person should know of, and may have to act on. Shapes only.
import { Type } from '#typebox';
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

/** The overlay's active controller is another one: the one before was silent, could record nothing more, or was relieved by order. */
export const ControllerEvent = Type.Object({
  kind: Type.Literal('controller'),
  node: Name,
  before: Name,
  atMs: Type.Number(),
});
export type ControllerEvent = Type.Static<typeof ControllerEvent>;

/** Between two nodes nothing was heard; `unheard`: of one whose agent is away (`TopologyLink`). */
export const LinkEvent = Type.Object({
  kind: Type.Literal('link'),
  a: Name,
  b: Name,
  verdict: Type.Union([Type.Literal('down'), Type.Literal('unheard')]),
  atMs: Type.Number(),
  endedMs: asking.endedMs,
});
export type LinkEvent = Type.Static<typeof LinkEvent>;

export const NetworkEvent = Type.Union([ControllerEvent, LinkEvent]);
export type NetworkEvent = Type.Static<typeof NetworkEvent>;

export const StubEvent = Type.Union([PinEvent, AddressEvent]);
export type StubEvent = Type.Static<typeof StubEvent>;
