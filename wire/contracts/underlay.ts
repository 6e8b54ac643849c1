// The encrypted underlay's exchange of keys: what a node says of its WireGuard device, and what it hears of the others'.
import { Type } from '#typebox';
import { contract, method } from '../contract.ts';
import { Ipv4, Name } from '../names.ts';

/** A public key as the tools of WireGuard print it: 32 bytes in base64. */
const PublicKey = Type.String({ pattern: '^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$' });

/** Where WireGuard listens. */
export const UdpEndpoint = Type.Object({ address: Ipv4, port: Type.Integer({ minimum: 1, maximum: 65_535 }) });
export type UdpEndpoint = Type.Static<typeof UdpEndpoint>;

const device = {
  cloud: Name,
  /** Its address inside WireGuard, to which daemons and tunnels speak. */
  address: Ipv4,
  /** One, or while it is exchanged two: the old and the new. */
  keys: Type.Union([Type.Tuple([PublicKey]), Type.Tuple([PublicKey, PublicKey])]),
  inner: UdpEndpoint,
  /** Absent: nobody outside of its cloud can send to it. */
  outer: Type.Optional(UdpEndpoint),
};

/** A node's device, as it says itself. */
export const UnderlayPlace = Type.Object(device);
export type UnderlayPlace = Type.Static<typeof UnderlayPlace>;

/** A member as its peers see it. */
export const UnderlayMember = Type.Object({ node: Name, ...device });
export type UnderlayMember = Type.Static<typeof UnderlayMember>;

/** Answered on the controller node, outside of the underlay. */
export const underlayContract = contract('underlay', {
  /**
   * A node takes its place, which is kept, and hears of all that have one, at once and after each change, as long as this
   * call lives. PLACE_TAKEN: another node has that address or key.
   */
  'underlay.join': method(['node', 'controller'], UnderlayPlace, Type.Object({}), {
    progress: Type.Object({
      members: Type.Array(UnderlayMember),
      /**
       * Of those that others can send to: who is to relay nothing, since it has no such call, or is the controller's own node.
       * Absent: not known yet, by a controller that has just been started.
       */
      away: Type.Optional(Type.Array(Name)),
      /** Who has no such call at that moment, and may not have heard of the others' newest keys. Told with each word. */
      unheard: Type.Optional(Type.Array(Name)),
    }),
    timeoutMs: 0,
  }),
});
