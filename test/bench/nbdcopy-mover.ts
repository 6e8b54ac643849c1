// nbdcopy reading from nbdkit over TLS with certificates on both sides, to a file, flushed: the peer of our two daemons. It
// keeps no checksums and no versions.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationError } from '../../common/errors.ts';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import type { Identity } from '../../common/membership/identity.ts';
import type { BlockMover, CallCounter, MoveCase, Moved } from './block-mover.ts';
import { DelayRelay } from './delay-relay.ts';
import { processorUs } from './nbd-load.ts';

const LOOPBACK = '127.0.0.1';
/** libnbd compares the certificate's name with the host's that it dials. */
const HOST = 'localhost';
const READY_MS = 15_000;
const POLL_MS = 20;

/** nbdkit's file plugin at the one end, nbdcopy at the other. */
export class NbdCopyMover implements BlockMover {
  readonly #directory: string;
  readonly #server: ChildProcess;
  readonly #port: number;
  readonly #relay: DelayRelay | undefined;

  private constructor(directory: string, server: ChildProcess, port: number, relay: DelayRelay | undefined) {
    this.#directory = directory;
    this.#server = server;
    this.#port = relay?.port ?? port;
    this.#relay = relay;
  }

  static async start({ directory, source, roundTripMs }: MoveCase): Promise<NbdCopyMover> {
    const authority = await createAuthority();
    const own = join(directory, 'server');
    await saveForGnutls(own, 'server', await issueIdentity(authority, { node: HOST, role: 'node' }));
    await saveForGnutls(
      join(directory, 'client'),
      'client',
      await issueIdentity(authority, { node: 'b', role: 'node' }),
    );
    const port = await freePort();
    const server = await startNbdkit(join(directory, 'nbdkit.pid'), [
      ...['-i', LOOPBACK, '-p', `${port}`, '--tls=require', `--tls-certificates=${own}`, '--tls-verify-peer'],
      ...['file', source],
    ]);
    const way = { address: LOOPBACK, port };
    const at = { address: LOOPBACK, port: 0 };
    const relay = roundTripMs === 0 ? undefined : await DelayRelay.start(at, way, roundTripMs);
    return new NbdCopyMover(directory, server, port, relay);
  }

  async move(): Promise<Moved> {
    const copy = this.#begin();
    const sentUs = await processorUs(this.#pid);
    const startedMs = performance.now();
    const takenCpuSeconds = await copy.run();
    const seconds = (performance.now() - startedMs) / 1000;
    return { seconds, sentCpuSeconds: ((await processorUs(this.#pid)) - sentUs) / 1e6, takenCpuSeconds };
  }

  calls(count: CallCounter): Promise<number | undefined> {
    const copy = this.#begin();
    return count([this.#pid, copy.pid], () => copy.run());
  }

  clear(): Promise<void> {
    return rm(this.file, { force: true });
  }

  get file(): string {
    return join(this.#directory, 'copy.raw');
  }

  async stop(): Promise<void> {
    this.#relay?.close();
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return;
    const exited = once(this.#server, 'exit');
    this.#server.kill('SIGTERM');
    await exited;
  }

  get #pid(): number {
    return this.#server.pid ?? 0;
  }

  /** A process that waits for its order, so that it is counted from its first call on. */
  #begin(): { readonly pid: number; run(): Promise<number> } {
    const uri = `nbds://${HOST}:${this.#port}/?tls-certificates=${join(this.#directory, 'client')}`;
    const script = 'read -r order; nbdcopy --flush "$1" "$2" && times';
    const child = spawn('sh', ['-c', script, 'sh', uri, this.file], { stdio: ['pipe', 'pipe', 'inherit'] });
    const run = async (): Promise<number> => {
      child.stdin.end('go\n');
      return childrenSeconds(await text(child.stdout));
    };
    return { pid: child.pid ?? 0, run };
  }
}

/** The shell's `times`: its own time on the first line, its children's on the second. @throws OperationError PEER_FAILED */
function childrenSeconds(said: string): number {
  const times = [...said.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => 60 * Number(minutes) + Number(seconds),
  );
  const [, , user, system] = times;
  if (user === undefined || system === undefined) throw new OperationError('PEER_FAILED', 'nbdcopy failed');
  return user + system;
}

/** Its file of the process's number is there once it accepts connections. */
async function startNbdkit(pidFile: string, words: readonly string[]): Promise<ChildProcess> {
  const server = spawn('nbdkit', ['-f', '--exit-with-parent', '-P', pidFile, ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  server.once('error', () => undefined);
  for (const endMs = performance.now() + READY_MS; !existsSync(pidFile); await sleep(POLL_MS)) {
    if (server.pid !== undefined && server.exitCode === null && performance.now() < endMs) continue;
    throw new OperationError('PEER_FAILED', 'nbdkit did not begin to serve', {
      remedy: `Start it by hand to see why: ${server.spawnargs.join(' ')}`,
    });
  }
  return server;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, LOOPBACK), 'listening');
  const address = server.address();
  server.close();
  return address !== null && typeof address === 'object' ? address.port : 0;
}

/** The names under which nbdkit and libnbd look for their files. */
async function saveForGnutls(directory: string, side: 'server' | 'client', identity: Identity): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${side}-key.pem`), identity.key);
  await writeFile(join(directory, `${side}-cert.pem`), identity.certificate);
  await writeFile(join(directory, 'ca-cert.pem'), identity.authority);
}
