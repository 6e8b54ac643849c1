// Which WireGuard peers a node has: by the members, where each is reached from here, and through whom if not at all. Pure.
// Every node has an inner endpoint, the address of its own network interface, and mostly an outer one, which its provider's
// 1:1 NAT leads to it: nodes of one cloud use the inner ones, all others the outer. A node that nobody can send UDP to has no
// outer endpoint: it dials the others, and two such nodes speak through a member that both can reach (SOUNDNESS C7).
import { isDirect, relaying } from '../../common/underlay-reach.ts';
import type { UdpEndpoint } from '../../wire/contracts/underlay.ts';

/** How often a mapping or a stateful filter before a node is kept open, s (WireGuard's own advice). */
const KEEPALIVE_SECONDS = 25;

/** A member as its peers see it. */
export interface UnderlayMember {
  readonly node: string;
  readonly cloud: string;
  /** Its address inside WireGuard, to which daemons and tunnels speak. */
  readonly address: string;
  /** One, or while it is exchanged two: the old and the new. */
  readonly keys: readonly [string] | readonly [string, string];
  readonly inner: UdpEndpoint;
  /** Undefined: nobody outside of its cloud can send to it. */
  readonly outer?: UdpEndpoint | undefined;
}

/** What a node knows of the underlay. */
export interface KnownUnderlay {
  readonly members: readonly UnderlayMember[];
  /** Members that relay nothing now. */
  readonly away?: readonly string[];
}

/** A peer of a WireGuard device as it is to be. */
export interface WantedPeer {
  readonly publicKey: string;
  /** Undefined: it is the one that dials. */
  readonly endpoint: UdpEndpoint | undefined;
  /** Addresses that are sent to it, and that it alone may send from. */
  readonly addresses: readonly string[];
  /** 0: none. */
  readonly keepaliveSeconds: number;
}

/**
 * The peers of a node. A new key of a peer gets its addresses once `isProven`: the peer has shaken hands with it, and so
 * speaks with it from now on; before, the old key keeps them.
 */
export function wantedPeers(
  node: string,
  { members, away = [] }: KnownUnderlay,
  isProven: (publicKey: string) => boolean,
): WantedPeer[] {
  const self = members.find((member) => member.node === node);
  if (self === undefined) return [];
  const others = members.filter((member) => member !== self);
  const relayOf = relaying(members, away);
  const relayed = Map.groupBy(others, (other) => relayOf(self, other));
  return others
    .filter((peer) => isDirect(self, peer))
    .flatMap((peer) => {
      const addresses = [peer, ...(relayed.get(peer.node) ?? [])].map(({ address }) => address).toSorted();
      return peersOf(self, peer, addresses, isProven);
    });
}

function peersOf(
  self: UnderlayMember,
  peer: UnderlayMember,
  addresses: readonly string[],
  isProven: (publicKey: string) => boolean,
): WantedPeer[] {
  const speaks = peer.keys.findLast((key, index) => index === 0 || isProven(key));
  const endpoint = peer.cloud === self.cloud ? peer.inner : peer.outer;
  const keepaliveSeconds = isBehindNat(self) && peer.cloud !== self.cloud ? KEEPALIVE_SECONDS : 0;
  return peer.keys.map((publicKey) => ({
    publicKey,
    endpoint,
    addresses: publicKey === speaks ? addresses : [],
    keepaliveSeconds,
  }));
}

function isBehindNat({ inner, outer }: UnderlayMember): boolean {
  return outer === undefined || outer.address !== inner.address || outer.port !== inner.port;
}

/** Whether two others may have this node send on what is for one another, now or when another relay is away. */
export function mayRelay(node: string, members: readonly UnderlayMember[]): boolean {
  const self = members.find((member) => member.node === node);
  const hidden = members.filter(({ outer }) => outer === undefined).map(({ cloud }) => cloud);
  return self?.outer !== undefined && new Set(hidden).size > 1;
}
