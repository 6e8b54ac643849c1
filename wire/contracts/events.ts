// What a person should know of, and may have to act on. Shapes only.
import { Type } from 'typebox';
import { Name } from '../names.ts';

/** A VM asked at its node for what is pinned to another place: it waits until it has moved there, or the pin is gone. */
export const StubEvent = Type.Object({
  vm: Name,
  node: Name,
  image: Name,
  place: Name,
  /** Requests that wait now. */
  waiting: Type.Integer({ minimum: 0 }),
  atMs: Type.Number(),
  /** Null while it lasts. */
  endedMs: Type.Union([Type.Number(), Type.Null()]),
});
export type StubEvent = Type.Static<typeof StubEvent>;
