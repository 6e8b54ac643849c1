// A node's part in the encrypted underlay: says its place to the controller, hears of the members, and keeps the WireGuard
// device's peers and the filter of tunnels as that wants them. With the controller away it goes on with what it knows.
import type { Clock, Timer } from '../../common/clock.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { RpcClient } from '../../common/rpc/client.ts';
import type { UnderlayMember, UnderlayPlace, underlayContract } from '../../wire/contracts/underlay.ts';
import type { UnderlayBook } from './underlay-book.ts';
import { wantedPeers } from './underlay-peers.ts';
import type { WireGuardDevice } from './wireguard-device.ts';

/** How soon a controller that is away is looked for again. */
const RECONNECT_MS = 1_000;
/** How often the device is looked at: what somebody changed by hand is put right, a peer's new key is seen to be proven. */
const LOOK_EVERY_MS = 5_000;

export interface UnderlayAgentParts {
  readonly node: string;
  readonly place: UnderlayPlace;
  readonly device: Pick<WireGuardDevice, 'show' | 'setPeers'>;
  /** Takes tunnels from these addresses alone from now on. */
  readonly filter: (members: readonly string[]) => Promise<void>;
  readonly book: Pick<UnderlayBook, 'members' | 'keep'>;
  readonly controller: Pick<RpcClient<typeof underlayContract>, 'call'>;
  readonly clock: Clock;
  readonly log: Log;
}

export class UnderlayAgent {
  readonly #parts: UnderlayAgentParts;
  readonly #session = new AbortController();
  #timer: Timer | undefined;
  #reconnect: Timer | undefined;
  #isIn = false;
  /** One look after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(parts: UnderlayAgentParts) {
    this.#parts = parts;
  }

  /** Resolves when the device is as the members that were kept want it. */
  async start(): Promise<void> {
    await this.#look();
    void this.#join();
  }

  stop(): void {
    this.#session.abort();
    this.#timer?.cancel();
    this.#reconnect?.cancel();
  }

  async #join(): Promise<void> {
    const { controller, place, clock, log } = this.#parts;
    const { signal } = this.#session;
    const onProgress = ({ members }: { readonly members: readonly UnderlayMember[] }): void => {
      if (!this.#isIn) log.info({ members: members.length }, 'the controller tells of the underlay');
      this.#isIn = true;
      void this.#hear(members);
    };
    try {
      await controller.call('underlay.join', place, { signal, onProgress });
    } catch (error) {
      if (!signal.aborted) log.warn({ reason: messageOf(error) }, 'the controller tells nothing of the underlay');
    }
    this.#isIn = false;
    if (!signal.aborted) this.#reconnect = clock.setTimer(RECONNECT_MS, () => void this.#join());
  }

  async #hear(members: readonly UnderlayMember[]): Promise<void> {
    const { book, log } = this.#parts;
    book.keep(members).catch((error: unknown) => log.error({ err: error }, 'the members could not be kept'));
    await this.#look();
  }

  #look(): Promise<void> {
    this.#work = this.#work.then(() => this.#apply());
    return this.#work;
  }

  async #apply(): Promise<void> {
    const { node, device, book, filter, log, clock } = this.#parts;
    this.#timer?.cancel();
    try {
      const { peers } = await device.show();
      const proven = new Set(peers.flatMap((peer) => (peer.handshakeSeconds > 0 ? [peer.publicKey] : [])));
      await filter(book.members.map(({ address }) => address));
      if (await device.setPeers(wantedPeers(node, book.members, (key) => proven.has(key))))
        log.info({ members: book.members.map((member) => member.node) }, 'the peers are set');
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'the WireGuard device could not be set');
    }
    if (!this.#session.signal.aborted) this.#timer = clock.setTimer(LOOK_EVERY_MS, () => void this.#look());
  }
}
