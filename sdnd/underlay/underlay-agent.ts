// A node's part in the encrypted underlay: says its place to the controller, hears of the members, keeps the WireGuard device's
// peers and the filter of tunnels as that wants them, and draws a new key in time. With the controller away it goes on with
// what it knows.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { RpcClient } from '../../common/rpc/client.ts';
import type { UnderlayMember, UnderlayPlace, underlayContract } from '../../wire/contracts/underlay.ts';
import { type KeyTimes, nextKeys, toldKeys } from './key-rotation.ts';
import type { UnderlayBook } from './underlay-book.ts';
import { mayRelay, wantedPeers } from './underlay-peers.ts';
import type { WireGuardDevice } from './wireguard-device.ts';
import { newKeyPair, publicKeyOf } from './wireguard-keys.ts';
import { type FoundPeer, SESSION_SECONDS } from './wireguard-plan.ts';

/** How soon a controller that is away is looked for again. */
const RECONNECT_MS = 1_000;
/** How often the device is looked at: what somebody changed by hand is put right. */
const LOOK_EVERY_MS = 5_000;
/** While a member has two keys: until it is seen that it speaks with the new one, nothing goes to it. */
const LOOK_CLOSELY_MS = 250;

export interface UnderlayAgentParts {
  readonly node: string;
  readonly place: Omit<UnderlayPlace, 'keys'>;
  readonly device: Pick<WireGuardDevice, 'show' | 'setKey' | 'setPeers'>;
  /** Takes tunnels from these addresses alone from now on. */
  readonly filter: (members: readonly string[]) => Promise<void>;
  /** Has the kernel send on what comes out of the device for another member. */
  readonly relay: () => Promise<void>;
  /** Sends something to these addresses, whatever it is. */
  readonly greet: (members: readonly string[]) => void;
  readonly book: Pick<UnderlayBook, 'keys' | 'keepKeys' | 'members' | 'keepMembers' | 'away' | 'keepAway'>;
  readonly keyTimes: KeyTimes;
  readonly controller: Pick<RpcClient<typeof underlayContract>, 'call'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** What the controller tells. */
interface Told {
  readonly members: readonly UnderlayMember[];
  /** Absent: it does not know yet. */
  readonly away?: readonly string[];
  readonly unheard?: readonly string[];
}

export class UnderlayAgent {
  readonly #parts: UnderlayAgentParts;
  #session = new AbortController();
  #timer: Timer | undefined;
  #reconnect: Timer | undefined;
  #isIn = false;
  /** Since when the controller tells the others of the keys as they are now; of the clock that does not jump. */
  #toldMs: number | undefined;
  /** Who may not have heard of the others' newest keys, as it was told last. */
  #unheard: readonly string[] = [];
  #isStopped = false;
  /** One look after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(parts: UnderlayAgentParts) {
    this.#parts = parts;
  }

  /** Resolves when the device is as what was kept wants it. */
  async start(): Promise<void> {
    await this.#look();
    void this.#join();
  }

  stop(): void {
    this.#isStopped = true;
    this.#session.abort();
    this.#timer?.cancel();
    this.#reconnect?.cancel();
  }

  async #join(): Promise<void> {
    const { controller, place, book, clock, log } = this.#parts;
    const session = new AbortController();
    this.#session = session;
    this.#reconnect?.cancel();
    const onProgress = ({ members, away, unheard = [] }: Told): void => {
      if (!this.#isIn) log.info({ members: members.length }, 'the controller tells of the underlay');
      this.#isIn = true;
      this.#unheard = unheard;
      void this.#hear(members, away);
    };
    try {
      await controller.call(
        'underlay.join',
        { ...place, keys: toldKeys(book.keys) },
        { signal: session.signal, onProgress },
      );
    } catch (error) {
      if (!session.signal.aborted)
        log.warn({ reason: messageOf(error) }, 'the controller tells nothing of the underlay');
    }
    // Another one has begun.
    if (this.#session !== session) return;
    this.#isIn = false;
    if (!this.#isStopped) this.#reconnect = clock.setTimer(RECONNECT_MS, () => void this.#join());
  }

  async #hear(told: readonly UnderlayMember[], away: readonly string[] | undefined): Promise<void> {
    const { book, log } = this.#parts;
    const members = withUntold(told, book.members);
    // One that the controller does not know is known to some nodes only, and so no relay that two would both name.
    const untold = members.filter((member) => !told.includes(member)).map(({ node }) => node);
    const kept = [book.keepMembers(members), ...(away === undefined ? [] : [book.keepAway([...away, ...untold])])];
    Promise.all(kept).catch((error: unknown) => log.error({ err: error }, 'the members could not be kept'));
    await this.#look();
  }

  /** Without it the node is no relay, and all else goes on. */
  async #relay(): Promise<void> {
    const { relay, log } = this.#parts;
    try {
      await relay();
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'this node cannot send on what other members have for one another');
    }
  }

  #look(): Promise<void> {
    this.#work = this.#work.then(() => this.#apply());
    return this.#work;
  }

  async #apply(): Promise<void> {
    const { node, place, device, book, filter, greet, log, clock } = this.#parts;
    this.#timer?.cancel();
    try {
      const { publicKey, listenPort, peers } = await device.show();
      await this.#turnKeys(peers);
      const { current } = book.keys;
      const isSet = publicKey === publicKeyOf(current) && listenPort === place.inner.port;
      // Set again it would end the sessions that a killed daemon left.
      if (!isSet) await device.setKey(current, place.inner.port);
      const proven = new Set(peers.flatMap((peer) => (peer.handshakeSeconds > 0 ? [peer.publicKey] : [])));
      const addresses = book.members.map(({ address }) => address);
      await filter(addresses);
      const known = { members: book.members, away: book.away };
      const isChanged = await device.setPeers(wantedPeers(node, known, (key) => proven.has(key)));
      if (isChanged) log.info({ members: book.members.map((member) => member.node) }, 'the peers are set');
      if (mayRelay(node, book.members)) await this.#relay();
      // A peer with a session that is gone here would go on with it for 15 s; a new one is begun by whoever speaks.
      if (isChanged || !isSet) greet(addresses.filter((address) => address !== place.address));
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'the WireGuard device could not be set');
    }
    const isTurning = book.members.some(({ keys }) => keys.length > 1);
    const afterMs = isTurning ? LOOK_CLOSELY_MS : Math.min(LOOK_EVERY_MS, this.#parts.keyTimes.settleMs);
    if (!this.#isStopped) this.#timer = clock.setTimer(afterMs, () => void this.#look());
  }

  async #turnKeys(peers: readonly FoundPeer[]): Promise<void> {
    const { node, book, keyTimes, clock, log } = this.#parts;
    const nowMs = clock.wallMs();
    const known = book.members.find((member) => member.node === node)?.keys ?? [];
    const isTold = this.#isIn && String(known) === String(toldKeys(book.keys));
    this.#toldMs = isTold ? (this.#toldMs ?? clock.nowMs()) : undefined;
    const toldMs = this.#toldMs === undefined ? undefined : nowMs - (clock.nowMs() - this.#toldMs);
    const at = { nowMs, toldMs, draw: () => newKeyPair().privateKey };
    const keys = nextKeys(book.keys, keyTimes, at);
    if (keys === undefined) return;
    this.#toldMs = undefined;
    // With a key that the other end does not know there would be no session any more.
    if (book.keys.next !== undefined && this.#isMissed(peers, nowMs)) {
      log.info({ unheard: this.#unheard }, 'a new key waits for who has not heard of it');
      return this.#joinAnew();
    }
    await book.keepKeys(keys);
    log.info({ told: toldKeys(keys).length }, keys.next === undefined ? 'a new key speaks' : 'a new key is told');
    this.#joinAnew();
  }

  /** Tells of its keys as they are now, and is told what is so now. */
  #joinAnew(): void {
    this.#session.abort();
    void this.#join();
  }

  /** Whether it has a session with a member that may not have heard of its newest key. */
  #isMissed(peers: readonly FoundPeer[], nowMs: number): boolean {
    const unheard = this.#parts.book.members.filter(({ node }) => this.#unheard.includes(node));
    const keys = new Set<string>(unheard.flatMap((member) => member.keys));
    const hasSession = ({ handshakeSeconds }: FoundPeer): boolean =>
      handshakeSeconds > 0 && nowMs - handshakeSeconds * 1_000 < SESSION_SECONDS * 1_000;
    return peers.some((peer) => keys.has(peer.publicKey) && hasSession(peer));
  }
}

/**
 * No member is ever removed. One that is not told of any more is unknown to a controller whose records are lost or older than
 * the cluster: it is spoken to as before, until somebody else has its address or key.
 */
function withUntold(told: readonly UnderlayMember[], known: readonly UnderlayMember[]): UnderlayMember[] {
  const names = new Set(told.map(({ node }) => node));
  const taken = new Set<string>(told.flatMap(({ address, keys }) => [address, ...keys]));
  const isFree = ({ address, keys }: UnderlayMember): boolean => ![address, ...keys].some((one) => taken.has(one));
  return [...told, ...known.filter((member) => !names.has(member.node) && isFree(member))];
}
