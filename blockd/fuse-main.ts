// `supercloud fuse`: the images of a directory of NBD sockets as files under one mount, in a process of its own, so that
// nothing that befalls a mount takes the block daemon along. Wires parts together and nothing else.
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { relative, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Command } from 'commander';
import { crashLoudly, type DaemonContext, type Running, runUntilStopped } from '../common/daemon.ts';
import { OperationError } from '../common/errors.ts';
import { createPlainLog } from '../common/log.ts';
import { exitCodeOf } from '../common/terminal/error-report.ts';
import { endSaid } from '../common/terminal/terminal.ts';
import type { LoopOptions } from './fuse/fuse-loop.ts';
import { mountImages } from './fuse/fuse-mount.ts';
import { closeDescriptor, newWaker, wake } from './fuse/kernel-calls.ts';

const WAIT_SECONDS = 30;

const EXAMPLES = `
Examples:
  supercloud blockd --alone --data /var/tmp/disks --image web:1G &
  supercloud fuse --sockets /var/tmp/disks --at /mnt/disks
  qemu-img info /mnt/disks/web        mkfs.ext4 /mnt/disks/web && mount -o loop /mnt/disks/web /mnt/web

Each NAME.sock of the directory is a file NAME of fixed size, also one that comes later; a snapshot is a read-only file
IMAGE@SNAPSHOT at the nodes that have its layers. What was answered by fsync is durable. While blockd is away or
silent requests wait, then they fail (EIO). Ctrl-C, SIGTERM or a closed terminal unmounts; what a killed one left is mended by the next start.`;

interface Options {
  readonly sockets?: string;
  readonly at?: string;
  readonly wait: number;
}

function seconds(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new OperationError('USAGE', `--wait ${text}: that is no number of seconds`);
}

async function checkSockets(path: string, at: string): Promise<void> {
  // The thread that serves the mount looks into that directory: it would wait for itself.
  if (!relative(at, path).startsWith('..')) {
    throw new OperationError('USAGE', `the sockets in ${path} would lie below the mount`, {
      remedy: 'Name a mount point elsewhere.',
    });
  }
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (isDirectory) return;
  throw new OperationError('NO_DIRECTORY', `there is no directory ${path}`, { remedy: 'Start blockd first.' });
}

async function serve(sockets: string, at: string, waitMs: number, { log }: DaemonContext): Promise<Running> {
  await checkSockets(sockets, at);
  const mount = await mountImages(at);
  const waker = newWaker();
  const options: LoopOptions = { device: mount.device.fd, waker, sockets, waitMs };
  const worker = new Worker(new URL('./fuse/fuse-worker.ts', import.meta.url), { workerData: options });
  const ended = once(worker, 'exit');
  let isStopping = false;
  worker.once('error', (error) => {
    log.fatal({ err: error }, 'the thread of the mount failed');
    mount.end();
    process.exit(1);
  });
  // Without a request to stop its end means that somebody unmounted it.
  worker.once('exit', () => (isStopping ? undefined : process.exit(0)));
  return {
    async close() {
      isStopping = true;
      if (!mount.end()) log.warn(`something below ${at} was open; it gets errors from now on`);
      wake(waker);
      await ended;
      closeDescriptor(waker);
      await mount.device.close();
    },
  };
}

async function run({ sockets, at, wait }: Options): Promise<void> {
  if (sockets === undefined || at === undefined) {
    throw new OperationError('USAGE', 'say --sockets DIR --at MOUNTPOINT', {
      remedy: 'supercloud fuse --help has examples.',
    });
  }
  const log = createPlainLog('fuse');
  crashLoudly(log);
  await runUntilStopped(log, (context) => serve(resolve(sockets), resolve(at), wait * 1_000, context));
  process.stdout.write(`serving ${resolve(at)}; Ctrl-C stops\n`);
}

const program = new Command('supercloud fuse')
  .description('images that blockd serves, as files under one mount (FUSE)')
  .exitOverride()
  .option('--sockets <DIR>', "where blockd's sockets are: DIR of blockd --alone --data DIR")
  .option('--at <MOUNTPOINT>', 'where to mount; made where missing')
  .option('--wait <SECONDS>', 'how long a request waits for a blockd that is away or silent', seconds, WAIT_SECONDS)
  .addHelpText('after', EXAMPLES)
  .action(run);

try {
  await program.parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  endSaid(exitCodeOf(error));
}
