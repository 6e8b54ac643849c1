// A node that is cut off from the controller, and from nobody else, keeps its sessions with the others: they speak with no key that
// it may not have heard of.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Underlay } from '../../../orchestrator/network/underlay.ts';
import { KEY_TIMES } from '../../../sdnd/underlay/key-rotation.ts';
import { UnderlayAgent } from '../../../sdnd/underlay/underlay-agent.ts';
import { UnderlayBook } from '../../../sdnd/underlay/underlay-book.ts';
import type { WantedPeer } from '../../../sdnd/underlay/underlay-peers.ts';
import { publicKeyOf } from '../../../sdnd/underlay/wireguard-keys.ts';
import type { UnderlayMember } from '../../../wire/contracts/underlay.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/** What a node's device has. */
interface Device {
  key: string;
  peers: readonly WantedPeer[];
}

/** Two nodes and the controller; each is cut off from that alone. */
class Pair {
  readonly clock = new TurnedClock(1_700_000_000_000);
  readonly devices = new Map<string, Device>();
  readonly #underlay: Underlay;
  readonly #cut = new Map<string, AbortController>();
  readonly #agents: UnderlayAgent[] = [];

  constructor() {
    const table = new Map<string, UnderlayMember>();
    const state = {
      all: () => [...table.values()],
      get: (_table: string, node: string) => table.get(node),
      put: async (_table: string, node: string, member: UnderlayMember) => void table.set(node, member),
      remove: async (_table: string, node: string) => void table.delete(node),
    };
    const cluster = { isUp: () => true };
    this.#underlay = new Underlay({ state: state as never, cluster, node: 'k', clock: this.clock });
  }

  /** Each has the other's key, so that they shake hands. */
  get speak(): boolean {
    const knows = (near: string, far: string): boolean =>
      this.devices.get(near)?.peers.some(({ publicKey }) => publicKey === this.devices.get(far)?.key) === true;
    return knows('alpha', 'beta') && knows('beta', 'alpha');
  }

  async begin(node: string, index: number): Promise<void> {
    const device: Device = { key: '', peers: [] };
    this.devices.set(node, device);
    let lastSeconds = 0;
    const handshakeSeconds = (): number => {
      if (this.speak) lastSeconds = Math.floor(this.clock.wallMs() / 1_000);
      return lastSeconds;
    };
    const inner = { address: `10.77.0.${index}`, port: 51_820 };
    const agent = new UnderlayAgent({
      node,
      place: { cloud: node, address: `10.99.0.${index}`, inner, outer: inner },
      keyTimes: KEY_TIMES,
      device: {
        show: async () => ({
          publicKey: device.key,
          listenPort: inner.port,
          peers: device.peers.map((peer) => {
            return { ...peer, handshakeSeconds: handshakeSeconds(), receivedBytes: 0, sentBytes: 0 };
          }),
        }),
        setKey: async (key) => {
          device.key = publicKeyOf(key);
        },
        setPeers: async (wanted) => {
          const isNew = JSON.stringify(wanted) !== JSON.stringify(device.peers);
          device.peers = wanted;
          return isNew;
        },
      },
      filter: async () => undefined,
      relay: async () => undefined,
      greet: () => undefined,
      book: await UnderlayBook.open(memoryDisk(), '/state', this.clock.wallMs()),
      controller: { call: this.#callOf(node) as never },
      clock: this.clock,
      log: quiet,
    });
    this.#agents.push(agent);
    await agent.start();
    await this.pass(1);
  }

  /** From the controller alone. */
  cutOff(node: string): void {
    const cut = new AbortController();
    this.#cut.get(node)?.abort();
    this.#cut.set(node, cut);
    cut.abort();
  }

  rejoin(node: string): void {
    this.#cut.set(node, new AbortController());
  }

  async pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      this.clock.turn(MINUTE_MS);
      for (let round = 0; round < 12; round++) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  stop(): void {
    for (const agent of this.#agents) agent.stop();
  }

  #callOf(node: string) {
    return async (
      _name: string,
      place: never,
      { onProgress, signal }: { onProgress: (told: never) => void; signal: AbortSignal },
    ): Promise<unknown> => {
      const cut = this.#cut.get(node) ?? new AbortController();
      this.#cut.set(node, cut);
      if (cut.signal.aborted) throw new Error('unreachable');
      const context = {
        peer: { node, role: 'node' },
        progress: onProgress,
        signal: AbortSignal.any([signal, cut.signal]),
      };
      return this.#underlay.handlers()['underlay.join'](place, context as never);
    };
  }
}

function memoryDisk() {
  const files = new Map<string, Uint8Array>();
  return {
    readWhole: async (path: string) =>
      files.get(path) ?? Promise.reject(Object.assign(new Error(path), { code: 'ENOENT' })),
    replace: async (path: string, bytes: Uint8Array) => void files.set(path, bytes),
  } as never;
}

test('two nodes speak on while one of them hears nothing of the controller for days, and get new keys when it does', async () => {
  const pair = new Pair();
  await pair.begin('alpha', 1);
  await pair.begin('beta', 2);
  assert.ok(pair.speak);
  const before = pair.devices.get('alpha')?.key;
  pair.cutOff('beta');
  for (let hour = 0; hour < 27; hour++) {
    await pair.pass(60);
    assert.ok(pair.speak, `${hour} hours`);
  }
  assert.is(pair.devices.get('alpha')?.key, before);
  pair.rejoin('beta');
  await pair.pass(30);
  assert.ok(pair.speak);
  assert.is.not(pair.devices.get('alpha')?.key, before);
  pair.stop();
});

test('nobody waits for one that is gone', async () => {
  const pair = new Pair();
  await pair.begin('alpha', 1);
  await pair.begin('beta', 2);
  const before = pair.devices.get('alpha')?.key;
  pair.cutOff('beta');
  pair.devices.set('beta', { key: '', peers: [] });
  await pair.pass(DAY_MINUTES + 60);
  assert.is.not(pair.devices.get('alpha')?.key, before);
  pair.stop();
});

test.run();
