// What the agents' interop test stands on: a network namespace of its own, two real agents with real QEMUs and one disk
// that both reach, and stand-ins for the daemons around them, which note what they are asked.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { createLog } from '../../common/log.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { type Identity, saveIdentity } from '../../common/membership/identity.ts';
import { type RpcClient, rpcClient } from '../../common/rpc/client.ts';
import { type Handlers, type RpcServer, startRpcServer } from '../../common/rpc/server.ts';
import { prepareGuest } from '../../lab/guest/build.ts';
import type { Params } from '../../wire/contract.ts';
import { type blockdContract as BlockdContract, blockdContract, type Closing } from '../../wire/contracts/blockd.ts';
import { hypervisorContract, type MachineSpec } from '../../wire/contracts/hypervisor.ts';
import {
  type orchestratorContract as OrchestratorContract,
  orchestratorContract,
} from '../../wire/contracts/orchestrator.ts';
import { switchAgentContract } from '../../wire/contracts/sdnd.ts';
import { BLOCKD_PORT, HYPERVISOR_PORT, ORCHESTRATOR_PORT, SWITCH_AGENT_PORT } from '../../wire/ports.ts';

const ROOT = join(import.meta.dirname, '../..');
const GUEST_CACHE = { cacheDirectory: join(ROOT, '.cache/guest') };
const START_TIMEOUT_MS = 60_000;
const IMAGE = 'web';
const DISK_POLL_MS = 20;

export const ADDRESSES = { alpha: '127.77.0.1', beta: '127.77.0.2', kappa: '127.77.0.9' } as const;
export type NodeName = 'alpha' | 'beta';

/**
 * Runs the test file again in a network namespace of its own, with a loopback and nothing else; true in there. The guest is
 * made before, out here, since that may fetch something.
 */
export async function enterNamespace(file: string): Promise<boolean> {
  if (process.env.AGENT_TEST_NAMESPACE) {
    execFileSync('ip', ['link', 'set', 'lo', 'up']);
    return true;
  }
  await prepareGuest('tiny', GUEST_CACHE);
  const env = { ...process.env, AGENT_TEST_NAMESPACE: '1' };
  const child = spawn('unshare', ['--net', process.execPath, file], { stdio: 'inherit', env });
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
  return false;
}

/** One node's neighbours, and how they shall behave. */
export class StandIns {
  readonly calls: string[] = [];
  tablesAreEqual = true;
  /** Runs before the answer of the call named. */
  readonly before = new Map<string, () => Promise<void> | void>();

  async heard(name: string): Promise<void> {
    this.calls.push(name);
    await this.before.get(name)?.();
  }
}

const CLOSING: Closing = {
  image: IMAGE,
  epoch: 1,
  lastSequence: 7,
  entries: 7,
  digest: 'ab'.repeat(16),
  generation: 1,
};

function unexpected(): never {
  throw new Error('nobody should call this');
}

function blockdHandlers(standIns: StandIns): Handlers<typeof BlockdContract> {
  const noted = (name: string) => async () => {
    await standIns.heard(name);
    return {};
  };
  return {
    ...Object.fromEntries(Object.keys(blockdContract.methods).map((name) => [name, unexpected])),
    'writer.freeze': async () => {
      await standIns.heard('writer.freeze');
      return { closings: [CLOSING] };
    },
    'writer.thaw': noted('writer.thaw'),
    'writer.release': noted('writer.release'),
    'standby.cancel': noted('standby.cancel'),
    'standby.activate': noted('standby.activate'),
    'standby.verify': async () => {
      await standIns.heard('standby.verify');
      return { equal: standIns.tablesAreEqual, reason: standIns.tablesAreEqual ? '' : `${IMAGE} differs` };
    },
    // The others are there and fail.
  } as unknown as Handlers<typeof BlockdContract>;
}

function switchHandlers(standIns: StandIns): Handlers<typeof switchAgentContract> {
  const noted = (name: string) => async () => {
    await standIns.heard(name);
    return {};
  };
  return {
    'port.attach': unexpected,
    'port.detach': noted('port.detach'),
    'port.close': noted('port.close'),
    'port.open': noted('port.open'),
    'guests.set': unexpected,
    'link.look': unexpected,
    'figures.read': unexpected,
    'connections.list': unexpected,
  };
}

export class AgentStand {
  readonly #directory: string;
  readonly #identities: Record<NodeName | 'kappa', Identity>;
  readonly #servers: RpcServer[] = [];
  readonly #agents = new Map<NodeName, ChildProcess>();
  #diskServer: ChildProcess | undefined;
  readonly spec: MachineSpec;
  readonly standIns = { alpha: new StandIns(), beta: new StandIns() };
  readonly clients: Record<NodeName, RpcClient<typeof hypervisorContract>>;
  readonly registered: Params<typeof OrchestratorContract, 'node.register'>[] = [];

  private constructor(directory: string, identities: Record<NodeName | 'kappa', Identity>, spec: MachineSpec) {
    this.#directory = directory;
    this.#identities = identities;
    this.spec = spec;
    const client = (node: NodeName) =>
      rpcClient(hypervisorContract, { node, address: ADDRESSES[node], port: HYPERVISOR_PORT }, identities.kappa);
    this.clients = { alpha: client('alpha'), beta: client('beta') };
  }

  static async start(): Promise<AgentStand> {
    const directory = await mkdtemp(join(tmpdir(), 'agents-'));
    const authority = await createAuthority();
    const identities = {
      alpha: await issueIdentity(authority, { node: 'alpha', role: 'node' }),
      beta: await issueIdentity(authority, { node: 'beta', role: 'node' }),
      kappa: await issueIdentity(authority, { node: 'kappa', role: 'controller' }),
    };
    const guest = await prepareGuest('tiny', GUEST_CACHE);
    const disk = join(directory, 'disk.raw');
    await copyFile(guest.diskImage, disk);
    const { size } = await stat(disk);
    const stand = new AgentStand(directory, identities, {
      vm: 'web',
      memoryMB: guest.memoryMB,
      cpus: 1,
      machine: 'pc-q35-7.2',
      cpuModel: 'Nehalem',
      disks: [{ image: IMAGE, bytes: size }],
      mac: '52:54:00:00:00:01',
      ip: '10.88.0.10',
      boot: {
        kernel: guest.kernel,
        initrd: guest.initrd,
        commandLine: guest.commandLine({ address: '10.88.0.10/24', load: { dirty: 1, buffer: 4 } }),
      },
    });
    await stand.#startAll(disk);
    return stand;
  }

  /** The disk's socket, the same at both ends. */
  get diskSocket(): string {
    return join(this.#directory, 'nbd.sock');
  }

  tap(node: NodeName): string {
    return `tap-${node}`;
  }

  async #startAll(disk: string): Promise<void> {
    await this.#startDisk(disk);
    await this.#startOrchestrator();
    for (const node of ['alpha', 'beta'] as const) {
      execFileSync('ip', ['tuntap', 'add', this.tap(node), 'mode', 'tap']);
      execFileSync('ip', ['link', 'set', this.tap(node), 'up']);
      await saveIdentity(join(this.#directory, node, 'identity'), this.#identities[node]);
      await this.#startStandIns(node);
      await this.startAgent(node);
    }
  }

  async #startDisk(disk: string): Promise<void> {
    const options = ['--format=raw', '--shared=4', '--persistent', `--export-name=${IMAGE}`];
    this.#diskServer = spawn('qemu-nbd', [...options, `--socket=${this.diskSocket}`, disk], { stdio: 'inherit' });
    const deadline = AbortSignal.timeout(START_TIMEOUT_MS);
    while (!(await exists(this.diskSocket))) await delay(DISK_POLL_MS, undefined, { signal: deadline });
  }

  async #startStandIns(node: NodeName): Promise<void> {
    const standIns = this.standIns[node];
    const shared = { identity: this.#identities[node], log: createLog('stand-in', 'silent') };
    const address = ADDRESSES[node];
    this.#servers.push(
      await startRpcServer({
        ...shared,
        contract: blockdContract,
        handlers: blockdHandlers(standIns),
        listen: { address, port: BLOCKD_PORT },
      }),
      await startRpcServer({
        ...shared,
        contract: switchAgentContract,
        handlers: switchHandlers(standIns),
        listen: { address, port: SWITCH_AGENT_PORT },
      }),
    );
  }

  async #startOrchestrator(): Promise<void> {
    const handlers = {
      ...Object.fromEntries(Object.keys(orchestratorContract.methods).map((name) => [name, unexpected])),
      'node.register': (params: Params<typeof OrchestratorContract, 'node.register'>) => {
        this.registered.push(params);
        return {};
      },
      // The others are there and fail.
    } as unknown as Handlers<typeof OrchestratorContract>;
    const server = await startRpcServer({
      contract: orchestratorContract,
      handlers,
      identity: this.#identities.kappa,
      log: createLog('stand-in', 'silent'),
      listen: { address: ADDRESSES.kappa, port: ORCHESTRATOR_PORT },
    });
    this.#servers.push(server);
  }

  /** The real daemon, on the state that an earlier one left. */
  async startAgent(node: NodeName): Promise<void> {
    const home = join(this.#directory, node);
    const config = join(home, 'config.json');
    const address = ADDRESSES[node];
    await writeFile(
      config,
      JSON.stringify({
        ...{ node, address, cloud: `cloud-${node}`, state: join(home, 'state'), run: join(home, 'run') },
        identity: join(home, 'identity'),
        orchestrator: { node: 'kappa', address: ADDRESSES.kappa },
      }),
    );
    const script = join(ROOT, 'hypervisor/main.ts');
    const log = process.env.VERBOSE ? 'inherit' : 'ignore';
    const agent = spawn(process.execPath, [script, '--config', config], { stdio: ['ignore', 'pipe', log] });
    this.#agents.set(node, agent);
    await ready(agent);
  }

  /** SIGKILL: nothing is tidied up, QEMU goes on. */
  async killAgent(node: NodeName): Promise<void> {
    const agent = this.#agents.get(node);
    this.#agents.delete(node);
    if (!agent || agent.exitCode !== null) return;
    agent.kill('SIGKILL');
    await once(agent, 'exit');
  }

  async stop(): Promise<void> {
    for (const node of ['alpha', 'beta'] as const) {
      await this.clients[node]
        .call('machine.delete', { term: Number.MAX_SAFE_INTEGER, vm: 'web' }, { timeoutMs: START_TIMEOUT_MS })
        .catch((error: unknown) => console.error(`stand: ${String(error)}`));
      this.clients[node].close();
      await this.killAgent(node);
    }
    for (const server of this.#servers) await server.close();
    this.#diskServer?.kill('SIGKILL');
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function ready(agent: ChildProcess): Promise<void> {
  if (!agent.stdout) throw new Error('the agent has no output');
  const timer = setTimeout(() => agent.kill('SIGKILL'), START_TIMEOUT_MS);
  for await (const line of createInterface({ input: agent.stdout })) if (line === 'READY') break;
  clearTimeout(timer);
  if (agent.exitCode !== null || agent.signalCode !== null) throw new Error('the agent did not get ready');
}
