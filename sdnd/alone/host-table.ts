// Which host is at which port, as the frames that came in at edge ports say. Bounded, by port and as a whole: a flood of
// made-up addresses fills its own port's share.
import type { EthAddress } from '@openflow/ofp';
import type { MeshPort } from './mesh-switch.ts';
import type { Path } from './path.ts';

const HOSTS_MAX = 500_000;
/** More hosts than a plain switch's table behind one port are a flood of addresses. */
export const HOSTS_PER_PORT_MAX = 16_384;
/** As long as a plain switch remembers an address (IEEE 802.1D, 7.9.2: 300 s). */
const IDLE_MS = 300_000;

export interface Host {
  /** The Ethernet address as a number. */
  readonly mac: number;
  readonly eth: EthAddress;
  port: MeshPort;
  seenAtMs: number;
  /** It is in no table any more. */
  isGone: boolean;
  /** By the receiver. */
  readonly pathsFrom: Map<Host, Path>;
  readonly pathsTo: Set<Path>;
}

export function macOf(data: Uint8Array, at: number): number {
  const high = ((data[at] ?? 0) << 8) | (data[at + 1] ?? 0);
  const low =
    ((data[at + 2] ?? 0) << 24) | ((data[at + 3] ?? 0) << 16) | ((data[at + 4] ?? 0) << 8) | (data[at + 5] ?? 0);
  return high * 2 ** 32 + (low >>> 0);
}

export function ethOf(mac: number): EthAddress {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/(..)(?=.)/g, '$1:') as EthAddress;
}

export class HostTable {
  readonly #hosts = new Map<number, Host>();

  get(mac: number): Host | undefined {
    return this.#hosts.get(mac);
  }

  all(): IterableIterator<Host> {
    return this.#hosts.values();
  }

  at(port: MeshPort): Host[] {
    return port.hostCount === 0 ? [] : [...this.#hosts.values()].filter((host) => host.port === port);
  }

  /** Whether there is room for one more host at the port. */
  hasRoom(port: MeshPort): boolean {
    return port.hostCount < HOSTS_PER_PORT_MAX && this.#hosts.size < HOSTS_MAX;
  }

  add(mac: number, port: MeshPort, nowMs: number): Host {
    const host: Host = {
      mac,
      eth: ethOf(mac),
      port,
      seenAtMs: nowMs,
      isGone: false,
      pathsFrom: new Map(),
      pathsTo: new Set(),
    };
    this.#hosts.set(mac, host);
    port.hostCount += 1;
    return host;
  }

  move(host: Host, port: MeshPort): void {
    host.port.hostCount -= 1;
    port.hostCount += 1;
    host.port = port;
  }

  remove(host: Host): void {
    if (!this.#hosts.delete(host.mac)) return;
    host.isGone = true;
    host.port.hostCount -= 1;
  }

  /** Those that were not seen for long and have no path. */
  idle(nowMs: number): Host[] {
    const isIdle = ({ seenAtMs, pathsFrom, pathsTo }: Host): boolean =>
      nowMs - seenAtMs > IDLE_MS && pathsFrom.size === 0 && pathsTo.size === 0;
    return [...this.#hosts.values()].filter(isIdle);
  }
}
