// Four bridges of one real ovs-vswitchd (user space datapath), wired to a ring with a chord, a host behind each, and
// `supercloud sdnd --alone` as their controller. Set up for tests and taken down whole.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createNamespaces, createVethPairs, destroyNamespaces, namespaceName, runIn } from '../../lab/namespace.ts';
import { type OpenVswitch, startOpenVswitch } from '../../lab/open-vswitch.ts';
import type { LoneTopology } from '../../sdnd/alone/lone-topology.ts';
import { askTopology } from '../../sdnd/alone/topology-socket.ts';

const MAIN = fileURLToPath(new URL('../../sdnd/alone-main.ts', import.meta.url));
const RUN_ID = `ring${process.pid}`;
export const NUMBERS = [1, 2, 3, 4] as const;
/** Bridges that are wired to each other. */
export const WIRES = [
  [1, 2],
  [2, 3],
  [3, 4],
  [1, 4],
  [1, 3],
] as const;

const PING_LIMIT_MS = 60_000;

const host = (n: number): string => namespaceName(RUN_ID, `h${n}`);
export const addressOf = (n: number): string => `10.66.1.${n}`;
export const macOf = (n: number): string => `02:66:00:00:00:0${n}`;

export class SwitchRing {
  readonly directory = mkdtempSync(join(tmpdir(), 'ring-'));
  /** What the controller has said. */
  said = '';
  #openVswitch: OpenVswitch | undefined;
  #controller: ChildProcess | undefined;
  readonly #namespaces = ['mesh', 'wire', 'h1', 'h2', 'h3', 'h4'].map((role) => namespaceName(RUN_ID, role));

  get openflow(): string {
    return `${this.directory}/of.sock`;
  }

  get switches(): OpenVswitch {
    if (this.#openVswitch === undefined) throw new TypeError('the switches have not been started');
    return this.#openVswitch;
  }

  async start(): Promise<void> {
    await createNamespaces(this.#namespaces);
    const [mesh = '', wire = ''] = this.#namespaces;
    const hostWires = NUMBERS.map(
      (n) =>
        [
          { namespace: mesh, device: `to-h${n}` },
          { namespace: host(n), device: 'eth0', address: `${addressOf(n)}/24`, mac: macOf(n) },
        ] as const,
    );
    const uplink = [
      { namespace: mesh, device: 'up0' },
      { namespace: wire, device: 'far' },
    ] as const;
    await createVethPairs([...hostWires, uplink]);
    const underlay = { underlayAddress: '10.66.0.1/24', uplink: 'up0' };
    this.#openVswitch = await startOpenVswitch({ namespace: mesh, runDirectory: `${this.directory}/ovs`, ...underlay });
    await this.startController();
    // ovs-vswitchd takes a unix socket as a bridge's controller only by this name (ovs-vswitchd.conf.db(5), target).
    const sockets = NUMBERS.map((n) => `${this.directory}/ovs/r${n}.controller`);
    for (const socket of sockets) symlinkSync(this.openflow, socket);
    await this.switches.ovsVsctl(NUMBERS.flatMap((n) => bridgeWords(n, sockets[n - 1] ?? '')));
    await this.switches.ovsVsctl(WIRES.flatMap(([a, b]) => wireWords(a, b)));
  }

  async stop(): Promise<void> {
    await this.stopController('SIGKILL');
    await this.#openVswitch?.stop();
    await destroyNamespaces(this.#namespaces);
    rmSync(this.directory, { recursive: true });
  }

  async startController(): Promise<void> {
    const words = ['--alone', '--listen', `unix:${this.openflow}`, '--control', this.#control];
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#controller = child;
    child.stderr.on('data', (chunk: Buffer) => {
      this.said += chunk.toString();
    });
    await new Promise<void>((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`sdnd --alone exited with ${code}: ${this.said}`)));
      child.stdout.on('data', (chunk: Buffer) => {
        if (chunk.toString().includes('serving')) resolve();
      });
    });
  }

  /** Answers its exit code. */
  async stopController(signal: NodeJS.Signals): Promise<unknown> {
    const child = this.#controller;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return undefined;
    const exited = once(child, 'exit');
    child.kill(signal);
    return (await exited)[0];
  }

  get #control(): string {
    return `${this.directory}/topology.sock`;
  }

  topology(): Promise<LoneTopology> {
    return askTopology(this.#control);
  }

  async unwire(a: number, b: number): Promise<void> {
    await this.switches.ovsVsctl(['del-port', `r${a}`, `w${a}${b}`, '--', 'del-port', `r${b}`, `w${b}${a}`]);
  }

  async wire(a: number, b: number): Promise<void> {
    await this.switches.ovsVsctl(wireWords(a, b));
  }

  /**
   * What `ping` says in the end. It waits for the last answer no longer than for the interval between two, or twice the
   * longest that another has taken: where each answer counts that has to be as long as a busy switch may take.
   */
  ping(from: number, to: number, words: readonly string[] = []): Promise<string> {
    const all = ['-n', '-q', '-W', '20', ...words, addressOf(to)];
    return runIn(host(from), 'sh', ['-c', `ping ${all.join(' ')} || true`], { timeoutMs: PING_LIMIT_MS });
  }

  /** The numbers of those of so many pings, 20 ms apart, that were not answered. As many more follow, whose answers do not count. */
  async unanswered(from: number, to: number, count: number): Promise<number[]> {
    const words = ['-n', '-i', '0.02', '-c', `${2 * count}`, addressOf(to)];
    const text = await runIn(host(from), 'sh', ['-c', `ping ${words.join(' ')} || true`], { timeoutMs: PING_LIMIT_MS });
    const answered = new Set(Array.from(text.matchAll(/icmp_seq=(\d+) ttl=/g), ([, number]) => Number(number)));
    return Array.from({ length: count }, (_, index) => index + 1).filter((number) => !answered.has(number));
  }

  /** Frames that a host has received. */
  async received(n: number): Promise<number> {
    const text = await runIn(host(n), 'cat', ['/proc/self/net/dev']);
    return Number(/eth0:\s*\d+\s+(\d+)/.exec(text)?.[1] ?? Number.NaN);
  }

  /** Sends so many broadcasts that nobody answers. */
  async broadcast(n: number, count: number): Promise<void> {
    const frame = `ffffffffffff${macOf(n).replaceAll(':', '')}88b6`;
    const send = `import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(("eth0", 0));
[s.send(bytes.fromhex("${frame}") + bytes(50)) for _ in range(${count})]`;
    await runIn(host(n), 'python3', ['-c', send]);
  }

  flows(n: number): Promise<string> {
    const target = `unix:${this.directory}/ovs/r${n}.mgmt`;
    return runIn(this.#namespaces[0] ?? '', 'ovs-ofctl', ['-O', 'OpenFlow13', '--no-stats', 'dump-flows', target]);
  }
}

function bridgeWords(n: number, openflow: string): string[] {
  const bridge = `r${n}`;
  return [
    ...['--', 'add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev', 'fail_mode=secure'],
    ...['protocols=OpenFlow13', `other-config:datapath-id=000000000000000${n}`, 'mcast_snooping_enable=false'],
    ...['--', 'add-port', bridge, `to-h${n}`, '--', 'set-controller', bridge, `unix:${openflow}`],
    ...['--', 'set', 'controller', bridge, 'max_backoff=1000', 'connection_mode=out-of-band'],
  ];
}

function wireWords(a: number, b: number): string[] {
  return [[a, b] as const, [b, a] as const].flatMap(([near, far]) => [
    ...['--', 'add-port', `r${near}`, `w${near}${far}`, '--', 'set', 'interface', `w${near}${far}`, 'type=patch'],
    `options:peer=w${far}${near}`,
  ]);
}
