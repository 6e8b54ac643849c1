// An NFS server in one of the lab's clouds: nfs-ganesha, and the port mapper by which QEMU's NFS version 3 finds it. Both
// live in the cloud's network and in a mount namespace of their own, where what they write beside the export is forgotten.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cloud } from '../../../lab/cloud.ts';
import { runCommand, spawnIn } from '../../../lab/namespace.ts';
import { endGroup } from './process-group.ts';

export const NFS_PACKAGES = ['nfs-ganesha', 'nfs-ganesha-vfs', 'rpcbind', 'qemu-block-extra'];

const NFS_PORT = 2049;
const MOUNT_PORT = 20_048;
const READY_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 100;
/** Ganesha takes longer to end by itself than anybody wants to wait; nothing that it has is needed any more. */
const STOP_GRACE_MS = 2_000;
/** What ganesha logs once it serves. */
const READY = 'NFS SERVER INITIALIZED';

/**
 * The server needs the port mapper's unix socket below /run. The names of the machine's own, if it has one, are covered
 * by an empty /run; both end with the shell's children, which are in the cloud's namespace.
 */
const SCRIPT = `
mount -t tmpfs none /run && mkdir -p /run/rpcbind /run/ganesha /var/lib/nfs && mount -t tmpfs none /var/lib/nfs || exit 1
rpcbind -f & mapper=$!
ganesha.nfsd -F -f "$1" -L "$2" -p /run/ganesha/pid -N EVENT & server=$!
trap 'kill $server $mapper' TERM
wait $server
kill $mapper
wait
`;

export class NfsServer {
  /** The exported file, as the server's machine and its clients name it. */
  readonly disk: string;
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #log: string;

  private constructor(cloud: Cloud, directory: string, child: ChildProcess) {
    this.address = cloud.plan.address;
    this.disk = `${directory}/export/disk.raw`;
    this.#directory = directory;
    this.#log = `${directory}/ganesha.log`;
    this.#child = child;
  }

  /** Serves a copy of a disk image; resolves when it answers. On failure nothing is left. */
  static async start(cloud: Cloud, image: string): Promise<NfsServer> {
    const directory = `${cloud.directories.state}/nfs`;
    mkdirSync(`${directory}/export`, { recursive: true });
    await runCommand('cp', ['--sparse=always', image, `${directory}/export/disk.raw`]);
    const [configuration, log] = [`${directory}/ganesha.conf`, `${directory}/ganesha.log`];
    writeFileSync(configuration, configurationOf(`${directory}/export`));
    const words = ['--mount', 'sh', '-c', SCRIPT, 'sh', configuration, log];
    const child = spawnIn(cloud.namespace, 'unshare', words, {
      stdio: ['ignore', 'ignore', 'inherit'],
      detached: true,
    });
    const server = new NfsServer(cloud, directory, child);
    try {
      await server.#ready();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async #ready(): Promise<void> {
    const endMs = performance.now() + READY_TIMEOUT_MS;
    while (!said(this.#log).includes(READY)) {
      if (this.#hasEnded || performance.now() > endMs) {
        throw new Error(`the NFS server did not start: ${said(this.#log).trimEnd().split('\n').slice(-4).join('\n')}`);
      }
      await sleep(READY_POLL_MS);
    }
  }

  get #hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Ends both and removes the export. */
  async stop(): Promise<void> {
    await endGroup(this.#child, STOP_GRACE_MS);
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** One export, version 3 over TCP (QEMU speaks no other), root left root, no locks: one client writes. */
function configurationOf(path: string): string {
  return `
NFS_CORE_PARAM { Protocols = 3; NFS_Port = ${NFS_PORT}; MNT_Port = ${MOUNT_PORT}; Enable_NLM = false; Enable_RQUOTA = false; }
EXPORT {
  Export_Id = 1; Path = ${path}; Pseudo = /disk; Protocols = 3; Transports = TCP;
  Access_Type = RW; Squash = No_Root_Squash; SecType = sys;
  FSAL { Name = VFS; }
}
`;
}

function said(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // It is made when the server starts.
    return '';
  }
}
