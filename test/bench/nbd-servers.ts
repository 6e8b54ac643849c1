// The servers that are measured: ours and the peers, each with a file of its own and the same data in it, on one file
// system. Starts and stops them; measures nothing.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, open, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { OperationError } from '../../common/errors.ts';

const ALONE = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
export const FILE_BYTES = 2 ** 30;
const CHUNK_BYTES = 2 ** 26;
const READY_MS = 15_000;
const POLL_MS = 20;
const KEPT_CHARS = 2_000;
const run = promisify(execFile);

export const SERVERS = ['supercloud', 'nbdkit file', 'qemu-nbd threads', 'qemu-nbd io_uring'] as const;
export type ServerName = (typeof SERVERS)[number];

/** A running server. */
export interface NbdServer {
  readonly name: ServerName;
  readonly pid: number;
  readonly uri: string;
  /** Where its data lie, at the same offsets as in the export. */
  readonly file: string;
  stop(): Promise<void>;
}

interface Plan {
  readonly name: ServerName;
  readonly command: string;
  readonly args: readonly string[];
  readonly socket: string;
  readonly exportName: string;
  /** Of a peer its file; of ours the directory of the layers. */
  readonly file: string;
}

function planOf(name: ServerName, directory: string): Plan {
  const own = join(directory, name.replaceAll(' ', '-'));
  const [file, socket] = [`${own}.raw`, `${own}.sock`];
  const peer = { name, socket, file, exportName: '' };
  if (name === 'nbdkit file') return { ...peer, command: 'nbdkit', args: ['-f', '-U', socket, 'file', file] };
  if (name !== 'supercloud') {
    const mode = name.endsWith('threads') ? 'threads' : 'io_uring';
    const args = ['-k', socket, '-f', 'raw', '-t', '-e', '8', `--aio=${mode}`, '--cache=writeback', file];
    return { ...peer, command: 'qemu-nbd', args };
  }
  const args = ['--disable-warning=ExperimentalWarning', ALONE, '--alone', '--data', own, '--image', 'bench:1G'];
  const layers = join(own, 'layers');
  return { name, command: process.execPath, args, socket: join(own, 'bench.sock'), exportName: 'bench', file: layers };
}

/** The data file of the only layer: layers have names that are drawn when they are made. */
async function onlyLayer(layers: string): Promise<string> {
  const name = (await readdir(layers)).find((one) => one.endsWith('.data'));
  if (name === undefined) throw new OperationError('PEER_FAILED', `there is no layer in ${layers}`);
  return join(layers, name);
}

/** A file of random data, so that no server can leave zeros out. */
export async function makeRandom(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let done = 0; done < bytes; done += CHUNK_BYTES) {
    await file.write(randomFillSync(chunk.subarray(0, Math.min(CHUNK_BYTES, bytes - done))));
  }
  await file.datasync();
  await file.close();
}

/** Makes the files and starts the servers; each is among the started from the moment that it is a process. */
export async function startServers(directory: string, started: NbdServer[]): Promise<void> {
  await mkdir(directory, { recursive: true });
  const random = join(directory, 'random.raw');
  await makeRandom(random, FILE_BYTES);
  for (const name of SERVERS) {
    const plan = planOf(name, directory);
    if (name !== 'supercloud') await copyFile(random, plan.file);
    const server = await start(plan, started);
    if (name === 'supercloud') await run('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', random, server.uri]);
  }
  await run('sync', ['-f', directory]);
}

async function start(plan: Plan, started: NbdServer[]): Promise<NbdServer> {
  // Shown only when it fails: the peers complain of a connection that asks nothing.
  const child = spawn(plan.command, plan.args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_CHARS);
  });
  const { name, socket, exportName } = plan;
  const uri = `nbd+unix:///${exportName}?socket=${socket}`;
  const server = { name, pid: child.pid ?? 0, uri, file: plan.file, stop: () => stop(child) };
  started.push(server);
  await listening(child, plan, () => said);
  if (name === 'supercloud') server.file = await onlyLayer(plan.file);
  return server;
}

/** None of the peers tells that it listens: a connection does. */
async function listening(child: ChildProcess, { name, socket }: Plan, said: () => string): Promise<void> {
  child.once('error', () => undefined);
  for (const endMs = performance.now() + READY_MS; ; await sleep(POLL_MS)) {
    if (await connects(socket)) return;
    if (child.exitCode === null && child.pid !== undefined && performance.now() < endMs) continue;
    throw new OperationError('PEER_FAILED', `${name} did not begin to serve: ${said().trimEnd()}`, {
      remedy: `Start it by hand to see why: ${child.spawnargs.join(' ')}`,
    });
  }
}

function connects(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
