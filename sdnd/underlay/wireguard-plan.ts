// From the peers that a WireGuard device has to those that it should have, as words for `wg set` (wg(8)). Pure. A peer that
// stays is not touched, since its sessions would be; what an address belongs to changes hands in one step.
import type { UdpEndpoint } from '../../wire/contracts/underlay.ts';
import type { WantedPeer } from './underlay-peers.ts';

/** After so long without a handshake a session is over (WireGuard's REJECT_AFTER_TIME). */
export const SESSION_SECONDS = 180;
const DEVICE_FIELDS = 4;
const PEER_FIELDS = 8;

/** A peer as `wg show DEVICE dump` tells it. */
export interface FoundPeer extends WantedPeer {
  /** Of the last handshake, s since 1970; 0: there was none. */
  readonly handshakeSeconds: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** A device as `wg show DEVICE dump` tells it. */
export interface FoundDevice {
  /** Empty: it has none. */
  readonly publicKey: string;
  readonly listenPort: number;
  readonly peers: readonly FoundPeer[];
}

/** @throws TypeError for what is no such text */
export function readDump(text: string): FoundDevice {
  const [device = '', ...peers] = text.split('\n').filter((line) => line !== '');
  const [, publicKey = '', listenPort] = fields(device, DEVICE_FIELDS);
  return {
    publicKey: publicKey === '(none)' ? '' : publicKey,
    listenPort: Number(listenPort),
    peers: peers.map(readPeer),
  };
}

/** The words after `wg set DEVICE`: those that come first, then those that go. None: it is as it should be. */
export function planPeers(wanted: readonly WantedPeer[], found: readonly FoundPeer[], nowSeconds: number): string[] {
  const there = new Map(found.map((peer) => [peer.publicKey, peer]));
  const stay = new Set(wanted.map(({ publicKey }) => publicKey));
  const puts = wanted.flatMap((peer) => changes(peer, there.get(peer.publicKey), nowSeconds));
  const removals = found.filter(({ publicKey }) => !stay.has(publicKey));
  return [...puts, ...removals.flatMap(({ publicKey }) => ['peer', publicKey, 'remove'])];
}

function changes(wanted: WantedPeer, found: FoundPeer | undefined, nowSeconds: number): string[] {
  const { publicKey, endpoint, addresses, keepaliveSeconds } = wanted;
  const words: string[] = [];
  if (endpoint !== undefined && !isAt(endpoint, found, nowSeconds)) words.push('endpoint', textOf(endpoint));
  if (found === undefined || addresses.join() !== found.addresses.toSorted().join())
    words.push('allowed-ips', addresses.map((address) => `${address}/32`).join(','));
  if (keepaliveSeconds !== (found?.keepaliveSeconds ?? 0))
    words.push('persistent-keepalive', keepaliveSeconds === 0 ? 'off' : String(keepaliveSeconds));
  return words.length === 0 ? [] : ['peer', publicKey, ...words];
}

/**
 * WireGuard follows a peer to wherever it proved to speak from: while that session lives, it knows better. A handshake far in
 * the future is one of before the clock was set back, and proves nothing.
 */
function isAt(endpoint: UdpEndpoint, found: FoundPeer | undefined, nowSeconds: number): boolean {
  if (found?.endpoint === undefined) return false;
  return textOf(endpoint) === textOf(found.endpoint) || Math.abs(nowSeconds - found.handshakeSeconds) < SESSION_SECONDS;
}

function readPeer(line: string): FoundPeer {
  const [publicKey = '', , endpoint = '', allowed = '', handshake, received, sent, keepalive] = fields(
    line,
    PEER_FIELDS,
  );
  return {
    publicKey,
    endpoint: endpoint === '(none)' ? undefined : readEndpoint(endpoint),
    addresses: allowed === '(none)' ? [] : allowed.split(',').map((range) => range.replace(/\/32$/, '')),
    handshakeSeconds: Number(handshake),
    receivedBytes: Number(received),
    sentBytes: Number(sent),
    keepaliveSeconds: keepalive === 'off' ? 0 : Number(keepalive),
  };
}

function fields(line: string, count: number): string[] {
  const words = line.split('\t');
  if (words.length !== count) throw new TypeError(`${words.length} fields where WireGuard's dump has ${count}`);
  return words;
}

function readEndpoint(text: string): UdpEndpoint {
  const colon = text.lastIndexOf(':');
  return { address: text.slice(0, colon), port: Number(text.slice(colon + 1)) };
}

function textOf({ address, port }: UdpEndpoint): string {
  return `${address}:${port}`;
}
