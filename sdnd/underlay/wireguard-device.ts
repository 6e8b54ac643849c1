// A node's WireGuard device, the kernel's or wireguard-go's, by the tool that speaks to both (wg(8)). Holds no state of its
// own: each look reads what the device has.
import { OperationError } from '../../common/errors.ts';
import { controlSocket } from '../../common/wireguard-socket.ts';
import type { WantedPeer } from './underlay-peers.ts';
import { type FoundDevice, planPeers, readDump } from './wireguard-plan.ts';

/** Runs a command with an input to its end; answers what it printed. */
export type RunTool = (command: string, args: readonly string[], input?: string) => Promise<string>;

export interface DeviceParts {
  readonly name: string;
  readonly run: RunTool;
  /** The unix sockets of the device's namespace, as /proc/net/unix shows them. */
  readonly sockets: () => string;
  /** Since 1970, as handshakes are told. */
  readonly nowSeconds: () => number;
}

/**
 * One device. wg(8) removes a control socket that does not take its connection, as one that is bound and does not listen yet,
 * and then wireguard-go ends: it is not asked before.
 */
export class WireGuardDevice {
  readonly #parts: DeviceParts;

  constructor(parts: DeviceParts) {
    this.#parts = parts;
  }

  /** What it has. @throws OperationError DEVICE_STARTING, TypeError; what the tool throws */
  async show(): Promise<FoundDevice> {
    this.#refuseStarting();
    return readDump(await this.#parts.run('wg', ['show', this.#parts.name, 'dump']));
  }

  /** From now on it is this key's, at this port: peers that do not know the key yet are not heard until they do. */
  async setKey(privateKey: string, listenPort: number): Promise<void> {
    this.#refuseStarting();
    // The tool opens a file: the standard input of Node's children is a socket, which cannot be opened.
    const script = 'cat | wg set "$1" listen-port "$2" private-key /dev/stdin';
    await this.#parts.run('sh', ['-c', script, 'sh', this.#parts.name, String(listenPort)], privateKey);
  }

  /** Makes the peers what they should be; answers whether anything had to be changed. */
  async setPeers(wanted: readonly WantedPeer[]): Promise<boolean> {
    const { peers } = await this.show();
    const words = planPeers(wanted, peers, this.#parts.nowSeconds());
    if (words.length > 0) await this.#parts.run('wg', ['set', this.#parts.name, ...words]);
    return words.length > 0;
  }

  #refuseStarting(): void {
    const { name, sockets } = this.#parts;
    if (controlSocket(name, sockets()) !== 'starting') return;
    throw new OperationError('DEVICE_STARTING', `wireguard-go of ${name} does not listen yet`, {
      remedy: 'It is looked at again by itself; if it stays so, restart wireguard-go.',
    });
  }
}
