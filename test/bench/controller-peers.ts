// The controllers that are measured, each in processes of its own at ports of the loopback. Starts and stops them; measures
// nothing.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { OperationError } from '../../common/errors.ts';
import { listenOn } from '../../common/rpc/listen.ts';

const ALONE = fileURLToPath(new URL('../../sdnd/alone-main.ts', import.meta.url));
const OS_KEN = fileURLToPath(new URL('os-ken-switch.py', import.meta.url));
/** The limit is on, and never reached. */
const MISSES = '100000000';
const READY_MS = 30_000;
/** ovs-testcontroller takes no more switches: for more there are more of it, and what they cost is added up. */
const PEER_SWITCHES_MAX = 16;
const POLL_MS = 50;
const KEPT_CHARS = 2_000;

export const CONTROLLERS = ['supercloud', 'ovs-testcontroller', 'os-ken'] as const;
export type ControllerName = (typeof CONTROLLERS)[number];

/** What the command installs, for itself only. */
export const CONTROLLER_BENCH_PACKAGES = ['openvswitch-testcontroller', 'python3-os-ken'];

/** A running controller. */
export interface BenchedController {
  readonly name: ControllerName;
  readonly pids: readonly number[];
  /** The switches are spread over them. */
  readonly ports: readonly number[];
  stop(): Promise<void>;
}

interface Started {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<void>;
}

function wordsOf(name: ControllerName, port: number): [string, ...string[]] {
  if (name === 'os-ken')
    return ['osken-manager', '--ofp-listen-host', '127.0.0.1', '--ofp-tcp-listen-port', `${port}`, OS_KEN];
  if (name === 'ovs-testcontroller')
    return ['ovs-testcontroller', '-O', 'OpenFlow13', '--unixctl=none', `ptcp:${port}:127.0.0.1`];
  const node = ['--disable-warning=ExperimentalWarning', ALONE];
  return [process.execPath, ...node, '--alone', '--listen', `tcp:127.0.0.1:${port}`, '--misses', MISSES];
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenOn(server, { address: '127.0.0.1', port: 0 });
  server.close();
  return port;
}

/** Starts one for so many switches, and waits until it listens. @throws OperationError PEER_FAILED */
export async function startController(name: ControllerName, switches: number): Promise<BenchedController> {
  const count = name === 'ovs-testcontroller' ? Math.ceil(switches / PEER_SWITCHES_MAX) : 1;
  const started: Started[] = [];
  const stopAll = async (): Promise<void> => {
    for (const one of started) await one.stop();
  };
  try {
    while (started.length < count) started.push(await startProcess(name));
  } catch (error) {
    await stopAll();
    throw error;
  }
  return { name, pids: started.map(({ pid }) => pid), ports: started.map(({ port }) => port), stop: stopAll };
}

async function startProcess(name: ControllerName): Promise<Started> {
  const port = await freePort();
  const [command, ...args] = wordsOf(name, port);
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_CHARS);
  });
  child.once('error', (error) => {
    said += error.message;
  });
  for (const endMs = performance.now() + READY_MS; !(await connects(port)); await sleep(POLL_MS)) {
    if (child.pid !== undefined && child.exitCode === null && performance.now() < endMs) continue;
    await stop(child);
    throw new OperationError('PEER_FAILED', `${name} did not begin to listen: ${said.trimEnd()}`, {
      remedy: `Start it by hand to see why: ${child.spawnargs.join(' ')}`,
    });
  }
  return { pid: child.pid ?? 0, port, stop: () => stop(child) };
}

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket
      .once('error', () => resolve(false))
      .once('connect', () => {
        socket.destroy();
        resolve(true);
      });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}
