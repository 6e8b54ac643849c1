// The way of a frame from one guest to another: the switches, their rules, the tunnels between them. Shapes only.
import { Type } from '#typebox';
import { Ipv4, Ipv6, Mac, Name } from '../names.ts';

const Count = Type.Integer({ minimum: 0 });
const RoundTripMs = Type.Union([Type.Number({ minimum: 0 }), Type.Null()]);

/** A flow entry that the frame met. */
export const TraceRule = Type.Object({
  /** By its name in the pipeline (`sdnd/pipeline.ts`). */
  table: Type.String(),
  priority: Count,
  /** 0x and 16 hexadecimal digits. */
  cookie: Type.String(),
  /** Who put it there, as its cookie says. */
  writer: Type.Union([
    Type.Literal('controller'),
    Type.Literal('agent'),
    Type.Literal('prober'),
    Type.Literal('stranger'),
  ]),
  /** The epoch of the VM that it is there for; null: it is there for none. */
  epoch: Type.Union([Count, Type.Null()]),
  /** What it does, for a person. */
  says: Type.String(),
  /** Its match and what it does, whole. */
  entry: Type.String(),
});
export type TraceRule = Type.Static<typeof TraceRule>;

/** One switch on the way. */
export const TraceHop = Type.Object({
  node: Name,
  /** The name of the port by which it comes in. */
  entersBy: Type.String(),
  /** In the order in which it met them. */
  rules: Type.Array(TraceRule),
  /** Where it went from here; empty: nowhere. */
  leaves: Type.Array(
    Type.Object({
      by: Type.String(),
      /** The node at the tunnel's other end; null: it left the overlay here. */
      to: Type.Union([Name, Type.Null()]),
      /** There and back through that tunnel, ms, as it was measured; null: it was not. */
      roundTripMs: RoundTripMs,
    }),
  ),
});
export type TraceHop = Type.Static<typeof TraceHop>;

/** A frame's whole way. */
export const TraceWalk = Type.Object({
  /** `astray`: it came out at another port; `unknown`: a switch cannot be asked, or has a rule that cannot be followed. */
  verdict: Type.Union([
    Type.Literal('delivered'),
    Type.Literal('dropped'),
    Type.Literal('astray'),
    Type.Literal('endless'),
    Type.Literal('unknown'),
  ]),
  /** For a person: where it ended, and why. */
  why: Type.String(),
  hops: Type.Array(TraceHop),
  /** Over all tunnels of the way, ms; null: one of them was not measured. */
  roundTripMs: RoundTripMs,
});
export type TraceWalk = Type.Static<typeof TraceWalk>;

/** The first thing at a switch by which its tables make another way than the wanted ones. */
export const TraceDifference = Type.Object({
  node: Name,
  table: Type.String(),
  /** Null: no rule of that table. */
  wanted: Type.Union([TraceRule, Type.Null()]),
  real: Type.Union([TraceRule, Type.Null()]),
});
export type TraceDifference = Type.Static<typeof TraceDifference>;

const TraceEnd = Type.Object({
  ...{ owner: Name, node: Name, mac: Mac, ip: Ipv4, tenant: Count },
  /** Of a ping over IPv6. */
  ipv6: Type.Optional(Ipv6),
});

export const TraceRequest = Type.Object({
  from: Name,
  to: Name,
  /** Whether the switches' tables are read too. */
  compare: Type.Boolean(),
  /** A ping over IPv6: between the addresses that are routed, or the link-local ones where one of the two has no other. */
  ipv6: Type.Optional(Type.Boolean()),
});
export type TraceRequest = Type.Static<typeof TraceRequest>;

/** What becomes of a ping (ICMP or ICMPv6 echo request) of one guest to another. */
export const NetworkTrace = Type.Object({
  from: TraceEnd,
  to: TraceEnd,
  /** By the flows that the controller wants, with the gates of running guests open. */
  wanted: TraceWalk,
  /** By the flows that the switches have; null: nobody asked. */
  real: Type.Union([TraceWalk, Type.Null()]),
  differences: Type.Array(TraceDifference),
});
export type NetworkTrace = Type.Static<typeof NetworkTrace>;
