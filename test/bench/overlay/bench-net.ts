// Two nodes and a host at each, in namespaces of this run: the ground of everything that is measured beside ours. What it
// makes or starts ends with it, and with this process however that ends.
import {
  createNamespaces,
  createVethPair,
  namespaceName,
  runIn,
  spawnIn,
  type VethEnd,
} from '../../../lab/namespace.ts';
import { type Reaper, startReaper } from '../../../lab/reaper.ts';
import { RunDirectory } from '../../../lab/run-directory.ts';
import { until } from '../../until.ts';

/** Everybody's hosts send packets of this size, so that all carry equally many. */
export const HOST_MTU_BYTES = 1330;
/** Each host's device, and its node's port to it. */
export const HOST_DEVICE = 'eth0';
export const HOST_PORT = 'host0';
/** Each node's device to the other one. */
export const UPLINK = 'up0';
/** The longest that a peer may take until it carries frames. */
const READY_MS = 30_000;

/** One of the two sides. */
export interface Side {
  readonly node: string;
  readonly host: string;
  /** The node's address in the network between the nodes. */
  readonly underlay: string;
  /** The host's, on a way that bridges both hosts. */
  readonly address: string;
  readonly mac: string;
}

/** A way between two hosts, ready to be measured. */
export interface LaidWay {
  /** Namespaces. */
  readonly from: string;
  readonly to: string;
  /** That of `to`. */
  readonly address: string;
  stop(): Promise<void>;
}

export class BenchNet {
  readonly run: RunDirectory;
  readonly sides: readonly [Side, Side];
  readonly #reaper: Reaper;

  private constructor(run: RunDirectory, reaper: Reaper) {
    this.run = run;
    this.#reaper = reaper;
    this.sides = [sideOf(run.runId, 1), sideOf(run.runId, 2)];
  }

  /** Lays a way on a ground of its own; on failure nothing is left. */
  static async lay(build: (net: BenchNet) => Promise<string>): Promise<LaidWay> {
    const run = new RunDirectory();
    const net = new BenchNet(run, await startReaper(run.runId));
    try {
      const names = net.sides.flatMap(({ node, host }) => [node, host]);
      run.addNamespaces(names);
      await createNamespaces(names);
      const address = await build(net);
      const [{ host: from }, { host: to }] = net.sides;
      await net.#carries(from, address);
      return { from, to, address, stop: () => net.#stop() };
    } catch (error) {
      await net.#stop();
      throw error;
    }
  }

  /** Wires the two nodes. */
  async wireNodes(): Promise<void> {
    const endOf = ({ node, underlay }: Side): VethEnd => ({
      namespace: node,
      device: UPLINK,
      address: `${underlay}/24`,
    });
    const [a, b] = this.sides;
    await createVethPair(endOf(a), endOf(b));
  }

  /** Wires a host to its node, whose end has no address unless it is given one. */
  wireHost({ node, host, mac }: Side, addresses: { host: string; node?: string }): Promise<void> {
    const near = {
      namespace: node,
      device: HOST_PORT,
      ...(addresses.node === undefined ? {} : { address: addresses.node }),
    };
    return createVethPair(near, { namespace: host, device: HOST_DEVICE, address: addresses.host, mac }, HOST_MTU_BYTES);
  }

  /** Both hosts, each behind a bridge of its node, in one network with the node's device of that name. */
  async bridgeHosts(device: string): Promise<void> {
    for (const side of this.sides) {
      await this.wireHost(side, { host: `${side.address}/24` });
      const ports = [HOST_PORT, device].map((port) => `ip link set ${port} master br0 up`);
      await this.sh(side.node, ['ip link add br0 type bridge', 'ip link set br0 up', ...ports].join('\n'));
    }
  }

  sh(namespace: string, script: string): Promise<string> {
    return runIn(namespace, 'sh', ['-e'], { input: script });
  }

  /** Starts a daemon that ends with its namespace, and waits for its device. */
  async daemon(namespace: string, command: string, args: readonly string[], device: string): Promise<void> {
    let said = '';
    let ended: string | undefined;
    const child = spawnIn(namespace, command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (said += String(text)));
    child.once('error', (error) => (ended = error.message));
    child.once('exit', (code, signal) => (ended = `it ended by ${signal ?? `code ${code}`}`));
    child.unref();
    const isThere = async (): Promise<boolean> => {
      if (ended !== undefined) throw new Error(`${command}: ${ended}\n${said}`);
      return (await this.sh(namespace, `ip link show ${device} 2> /dev/null || true`)) !== '';
    };
    await until(`${command} has made ${device}`, isThere, READY_MS);
  }

  #carries(from: string, address: string): Promise<void> {
    const ping = `ping -q -n -c 1 -W 1 ${address} || true`;
    return until(`${address} is reached`, async () => / 1 received/.test(await this.sh(from, ping)), READY_MS);
  }

  async #stop(): Promise<void> {
    await this.run.remove();
    await this.#reaper.dismiss();
  }
}

function sideOf(runId: string, number: 1 | 2): Side {
  return {
    node: namespaceName(runId, `node${number}`),
    host: namespaceName(runId, `host${number}`),
    underlay: `10.77.0.${number}`,
    address: `10.88.0.1${number}`,
    mac: `02:88:00:00:00:1${number}`,
  };
}
