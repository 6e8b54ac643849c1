// Hosts on the overlay of three switches, in place of guests and their users: what they send and what reaches them. Not a
// test itself.
import * as assert from 'uvu/assert';
import { createVethPair, runIn } from '../../lab/namespace.ts';
import { portName } from '../../sdnd/agent/guest-ports.ts';
import type { Binding } from '../../wire/contracts/sdnd.ts';
import { answeredPings } from './pings.ts';
import type { Host, NodeName, ThreeSwitches } from './three-switches.ts';

/** A busy switch may hold the last ones up for longer than ping waits for them: 1 s. */
const SPARE_PINGS = 100;
const GUEST_MTU_BYTES = 1330;

interface Move {
  readonly epoch: number;
  readonly old: string;
  readonly next: string;
}

/** Hosts by name. */
export class OverlayHosts {
  readonly #net: ThreeSwitches;
  readonly #hosts = new Map<string, Host>();

  constructor(net: ThreeSwitches) {
    this.#net = net;
  }

  get names(): string[] {
    return [...this.#hosts.keys()];
  }

  host(name: string): Host {
    const found = this.#hosts.get(name);
    if (found === undefined) throw new TypeError(`there is no host ${name}`);
    return found;
  }

  add(name: string, host: Host): void {
    this.#hosts.set(name, host);
  }

  /** A host in place of a guest, at a port that its node's agent has made; `role` where the guest has one elsewhere. */
  async addGuest(owner: string, node: NodeName, last: number, role = owner): Promise<void> {
    const mac = `02:88:00:00:00:${last.toString(16).padStart(2, '0')}`;
    this.add(role, await this.#net.addHost(role, node, portName(owner), mac, `10.88.0.${last}`));
    const { port } = await this.#net.agent(node, 'port.attach', { owner, mac });
    assert.is(port, portName(owner));
  }

  /**
   * Moves a guest: its one device goes (`old`), and another that its new node's switch has comes (`next`), with the same
   * addresses. The epoch is above all that it had.
   */
  async move(owner: string, from: NodeName, to: NodeName, { epoch, old, next }: Move): Promise<void> {
    const net = this.#net;
    const { namespace, mac, ip } = this.host(owner);
    const port = portName(owner);
    const near = { namespace: net.namespaceOf(to), device: port };
    await createVethPair(near, { namespace, device: next, mac }, GUEST_MTU_BYTES);
    await net.agent(to, 'port.attach', { owner, mac });
    const migration = String(epoch).padStart(16, '0');
    await net.sdnd('migration.prepare', { migration, to: this.binding(owner, to, port, epoch) });
    await net.agent(from, 'port.close', { owner });
    const words = `ip address del ${ip}/24 dev ${old} && ip address add ${ip}/24 dev ${next}`;
    await runIn(namespace, 'sh', ['-c', words]);
    await net.agent(to, 'port.open', { owner });
    await net.sdnd('migration.complete', { migration });
  }

  /** The owner's addresses at a port. */
  binding(owner: string, node: NodeName, port: string, epoch: number): Binding {
    const { mac, ip } = this.host(owner);
    return { owner, mac, ip, node, port, epoch };
  }

  /**
   * How many of the pings came back in time: ping waits two seconds for the first answer, but after one has come for the
   * others hardly longer than that one took. For pings of which none shall come back, or some after several tries.
   */
  async pings(from: string, to: string, count = 5, options: readonly string[] = []): Promise<number> {
    const words = ['-n', '-q', '-i', '0.01', '-W', '2', '-c', String(count), ...options, this.host(to).ip];
    const text = await runIn(this.host(from).namespace, 'sh', ['-c', `ping ${words.join(' ')} || true`]);
    return Number(/(\d+) received/.exec(text)?.[1] ?? Number.NaN);
  }

  /** How many pings came back of so many, each sent when the one before is back and waited for as long as it may take. */
  answered(from: string, to: string, count = 5, options: readonly string[] = []): Promise<number> {
    return answeredPings(this.host(from).namespace, this.host(to).ip, count, options);
  }

  /** Which of the first so many pings, one each 10 ms, never came back: their numbers. Some more follow, for ping's patience. */
  async unanswered(from: string, to: string, count: number): Promise<number[]> {
    const words = ['-n', '-i', '0.01', '-c', String(count + SPARE_PINGS), this.host(to).ip];
    const text = await runIn(this.host(from).namespace, 'sh', ['-c', `ping ${words.join(' ')} || true`]);
    const answered = new Set(Array.from(text.matchAll(/icmp_seq=(\d+) ttl=/g), ([, number]) => Number(number)));
    return Array.from({ length: count }, (_, index) => index + 1).filter((number) => !answered.has(number));
  }

  /** Frames that a host has received. */
  async received(name: string): Promise<number> {
    const text = await runIn(this.host(name).namespace, 'cat', ['/proc/self/net/dev']);
    return Number(/eth0:\s*\d+\s+(\d+)/.exec(text)?.[1] ?? Number.NaN);
  }
}
