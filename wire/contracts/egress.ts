// The way out of the guests' network as people order and see it: by which node, under which address, and what leads in. What
// the overlay's controller is told of it is in `guest-network.ts`.
import { Type } from '#typebox';
import { method } from '../contract.ts';
import { Ipv4, Name } from '../names.ts';
import { Forward, NodeOutside, Resolvers } from './guest-network.ts';

const Empty = Type.Object({});

/** A port that leads in as it was ordered: by `vm` to whatever address the VM of that name has, and to nobody while there is none. */
export const OrderedForward = Type.Object({ ...Forward.properties, vm: Type.Optional(Name) });
export type OrderedForward = Type.Static<typeof OrderedForward>;

/** The way out as it was ordered. */
export const EgressOrder = Type.Object({
  node: Name,
  /** By which guests are seen: one of the node's. */
  address: Ipv4,
  /** What may be called from outside. */
  forwards: Type.Array(OrderedForward),
  resolvers: Resolvers,
});
export type EgressOrder = Type.Static<typeof EgressOrder>;

export const EgressView = Type.Object({
  /** Null: guests reach nobody outside. */
  egress: Type.Union([EgressOrder, Type.Null()]),
  /** One sentence when the order stands but nobody gets out (its node says no more that it leads outside) or a port leads to nobody. */
  trouble: Type.String(),
  /** The nodes that may be a way out. */
  nodes: Type.Array(Type.Object({ node: Name, ...NodeOutside.properties })),
});
export type EgressView = Type.Static<typeof EgressView>;

/** A port that leads in as it is ordered: `to` is a guest's address, or its VM's name. */
export const ForwardOrder = Type.Object({ ...Forward.properties, to: Type.Union([Ipv4, Name]) });
export type ForwardOrder = Type.Static<typeof ForwardOrder>;

/** The orchestrator's. */
export const egressCalls = {
  'egress.show': method(['operator'], Empty, EgressView),
  /**
   * From now on guests go out at that node (or the one of a cloud), under that address of it (else its first); connections that
   * go out elsewhere end. Without `forwards` or `resolvers` those that stand stay. OVERLAY_UNTOLD, here and below: it is kept, and
   * holds as soon as the overlay's controller can be told.
   */
  'egress.set': method(
    ['operator'],
    Type.Object({
      at: Name,
      address: Type.Optional(Ipv4),
      forwards: Type.Optional(Type.Array(ForwardOrder, { maxItems: 1024 })),
      resolvers: Resolvers,
    }),
    EgressView,
  ),
  /** Guests reach nobody outside any more. */
  'egress.remove': method(['operator'], Empty, EgressView),
};
