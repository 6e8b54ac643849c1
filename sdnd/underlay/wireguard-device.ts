// A node's WireGuard device, the kernel's or wireguard-go's, by the tool that speaks to both (wg(8)). Holds no state of its
// own: each look reads what the device has.

import type { WantedPeer } from './underlay-peers.ts';
import { type FoundDevice, planPeers, readDump } from './wireguard-plan.ts';

/** Runs a command with an input to its end; answers what it printed. */
export type RunTool = (command: string, args: readonly string[], input?: string) => Promise<string>;

export class WireGuardDevice {
  readonly #device: string;
  readonly #run: RunTool;
  readonly #nowSeconds: () => number;

  /** `nowSeconds`: since 1970, as handshakes are told. */
  constructor(device: string, run: RunTool, nowSeconds: () => number) {
    this.#device = device;
    this.#run = run;
    this.#nowSeconds = nowSeconds;
  }

  /** What it has. @throws what the tool throws, TypeError */
  async show(): Promise<FoundDevice> {
    return readDump(await this.#run('wg', ['show', this.#device, 'dump']));
  }

  /** From now on it is this key's, at this port: peers that do not know the key yet are not heard until they do. */
  async setKey(privateKey: string, listenPort: number): Promise<void> {
    // The tool opens a file: the standard input of Node's children is a socket, which cannot be opened.
    const script = 'cat | wg set "$1" listen-port "$2" private-key /dev/stdin';
    await this.#run('sh', ['-c', script, 'sh', this.#device, String(listenPort)], privateKey);
  }

  /** Makes the peers what they should be; answers whether anything had to be changed. */
  async setPeers(wanted: readonly WantedPeer[]): Promise<boolean> {
    const { peers } = await this.show();
    const words = planPeers(wanted, peers, this.#nowSeconds());
    if (words.length > 0) await this.#run('wg', ['set', this.#device, ...words]);
    return words.length > 0;
  }
}
