// The mounts that are measured: ours and the peers, all of them clients of one blockd and of the same image, each in a
// process of its own. Starts and stops them; measures nothing.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { OperationError } from '../../common/errors.ts';
import { FILE_BYTES } from './nbd-servers.ts';

const BLOCKD = fileURLToPath(new URL('../../blockd/alone-main.ts', import.meta.url));
const FUSE = fileURLToPath(new URL('../../blockd/fuse-main.ts', import.meta.url));
const CHUNK_BYTES = 2 ** 26;
const READY_MS = 15_000;
const POLL_MS = 20;
const KEPT_CHARS = 2_000;
const run = promisify(execFile);

export const MOUNTS = ['supercloud', 'nbdfuse', 'qemu-storage-daemon'] as const;
export type MountName = (typeof MOUNTS)[number];

/** A running mount. */
export interface Mount {
  readonly name: MountName;
  readonly pid: number;
  /** The image as a file. */
  readonly file: string;
  stop(): Promise<void>;
}

interface Plan {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Has the image's size once it serves. */
  readonly file: string;
}

const node = (script: string, ...words: readonly string[]): readonly string[] => [
  '--disable-warning=ExperimentalWarning',
  script,
  ...words,
];

function planOf(name: MountName, directory: string): Plan {
  const [data, at] = [join(directory, 'data'), join(directory, name)];
  const socket = join(data, 'bench.sock');
  if (name === 'supercloud') {
    const args = node(FUSE, '--sockets', data, '--at', at);
    return { name, command: process.execPath, args, file: join(at, 'bench') };
  }
  const file = join(at, 'bench');
  if (name === 'nbdfuse') return { name, command: 'nbdfuse', args: [file, `nbd+unix:///bench?socket=${socket}`], file };
  const disk = `driver=nbd,node-name=disk,server.type=unix,server.path=${socket},export=bench`;
  const args = ['--blockdev', disk, '--export', `type=fuse,id=file,node-name=disk,mountpoint=${file},writable=on`];
  return { name, command: 'qemu-storage-daemon', args, file };
}

/** Starts blockd with an image of random data, then the mounts; each is among the started once it is a process. */
export async function startMounts(directory: string, started: Mount[], stops: (() => Promise<void>)[]): Promise<void> {
  const data = join(directory, 'data');
  const random = join(directory, 'random.raw');
  await makeRandom(random);
  const args = node(BLOCKD, '--alone', '--data', data, '--image', 'bench:1G');
  const socket = join(data, 'bench.sock');
  const blockd = await start({ name: 'blockd', command: process.execPath, args, file: socket }, stops);
  await until(blockd, 'blockd', async () => (await stat(socket)).isSocket());
  const uri = `nbd+unix:///bench?socket=${socket}`;
  await run('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', random, uri]);
  await rm(random);
  for (const name of MOUNTS) {
    const plan = planOf(name, directory);
    await mkdir(join(directory, name));
    // QEMU mounts on a file.
    if (name === 'qemu-storage-daemon') await writeFile(plan.file, '');
    const process = await start(plan, stops);
    started.push({ name, pid: process.child.pid ?? 0, file: plan.file, stop: process.stop });
    await until(process, name, async () => (await stat(plan.file)).size === FILE_BYTES);
  }
  await run('sync', ['-f', data]);
}

/** Random data, so that no server can leave zeros out. */
async function makeRandom(path: string): Promise<void> {
  const file = await open(path, 'w');
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let done = 0; done < FILE_BYTES; done += CHUNK_BYTES) await file.write(randomFillSync(chunk));
  await file.close();
}

interface Started {
  readonly child: ChildProcess;
  said(): string;
  stop(): Promise<void>;
}

async function start({ command, args }: Plan, stops: (() => Promise<void>)[]): Promise<Started> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  child.once('error', () => undefined);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-KEPT_CHARS);
  });
  const stop = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  };
  stops.unshift(stop);
  return { child, stop, said: () => said };
}

/** None of the peers tells that it serves: the file's size does. */
async function until({ child, said }: Started, name: string, isReady: () => Promise<boolean>): Promise<void> {
  for (const endMs = performance.now() + READY_MS; ; await sleep(POLL_MS)) {
    if (await isReady().catch(() => false)) return;
    if (child.exitCode === null && child.pid !== undefined && performance.now() < endMs) continue;
    throw new OperationError('PEER_FAILED', `${name} did not begin to serve: ${said().trimEnd()}`, {
      remedy: `Start it by hand to see why: ${child.spawnargs.join(' ')}`,
    });
  }
}
