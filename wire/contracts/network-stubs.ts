// Addresses of the guests' network that stand for a resource in one place (TOCS 2017, 3.3: stubs), as people order and see
// them, and the call by which a node says that one of its guests has asked for such a resource. What the overlay's controller
// is told of them is in `guest-network.ts`.
import { Type } from '#typebox';
import { method } from '../contract.ts';
import { Name } from '../names.ts';
import { StubTarget } from './guest-network.ts';

const Empty = Type.Object({});

/** `move`: a VM that asks for the resource from elsewhere is moved to it; `tell`: a person hears of it, and moves it or not. */
const StubPolicy = Type.Union([Type.Literal('move'), Type.Literal('tell')]);

/** A stub as it was ordered. */
export const StubOrder = Type.Object({
  name: Name,
  ...StubTarget.properties,
  /** Where the resource is: a cloud, whose nodes all reach it, or one node. */
  place: Name,
  policy: StubPolicy,
});
export type StubOrder = Type.Static<typeof StubOrder>;

export const StubView = Type.Object({
  ...StubOrder.properties,
  /** The nodes of the place from which the resource is reached. */
  nodes: Type.Array(Name),
  /** One sentence when the order stands but the resource is reached from nowhere, or not from all of the place. */
  trouble: Type.String(),
});
export type StubView = Type.Static<typeof StubView>;

/** The orchestrator's. */
export const stubCalls = {
  /** By name. */
  'stub.list': method(['operator'], Empty, Type.Object({ stubs: Type.Array(StubView) })),
  'stub.create': method(['operator'], StubOrder, StubView),
  'stub.delete': method(['operator'], Type.Object({ name: Name }), Empty),
  /**
   * A node's switch agent says that a VM of the node has sent to a stub of another place. Repeating it is safe; of a VM that
   * is not at that node, and of a stub that is not there, it is nothing.
   */
  'stub.asked': method(['node', 'controller'], Type.Object({ vm: Name, stub: Name }), Empty),
};
