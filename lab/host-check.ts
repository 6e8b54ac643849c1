// What the lab needs of this machine besides packages; each lack is one sentence before anything is made.
import { accessSync, closeSync, constants, existsSync, openSync, readFileSync } from 'node:fs';
import { OperationError } from '../common/errors.ts';
import { RECEIVE_BUFFER_BYTES, RECEIVE_BUFFER_DEFAULT } from './namespace.ts';

const OLDEST_DEBIAN = 12;
/** Bits of capabilities(7): network namespaces and switches take the first, mounts (of namespaces' names) the second. */
const CAP_NET_ADMIN = 12n;
const CAP_SYS_ADMIN = 21n;

/** Where this machine shows what it is; tests give their own. */
export interface HostFiles {
  readonly tunDevice?: string;
  readonly osRelease?: string;
  readonly processStatus?: string;
  readonly receiveBufferDefault?: string;
}

/** What this machine calls itself when it is no Debian that the lab is made for, else undefined. os-release(5). */
export function otherSystem(osRelease: string): string | undefined {
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(osRelease)?.[1] ?? '';
  // Debian testing has no number yet.
  const version = field('VERSION_ID') === '' ? OLDEST_DEBIAN : Number(field('VERSION_ID'));
  if (field('ID') === 'debian' && version >= OLDEST_DEBIAN) return undefined;
  return field('PRETTY_NAME') || 'no Debian';
}

/** True if a process with this /proc/PID/status may make network namespaces; root of a container often may not. */
export function mayMakeNamespaces(processStatus: string): boolean {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(processStatus)?.[1] ?? '0'}`);
  return [CAP_NET_ADMIN, CAP_SYS_ADMIN].every((bit) => ((effective >> bit) & 1n) === 1n);
}

// Opened, not looked at: root sees permissions where the kernel or a container's rules still say no.
function mayOpen(path: string): boolean {
  try {
    closeSync(openSync(path, 'r+'));
    return true;
  } catch {
    return false;
  }
}

// Of the settings that belong to the machine (createNamespaces) the one that a container's own network cannot raise.
function receiveBufferFits(path: string): boolean {
  try {
    if (Number(readFileSync(path, 'utf8')) >= RECEIVE_BUFFER_BYTES) return true;
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Throws an OperationError that names what is missing: root, a Debian on x86-64, the right to make namespaces, the
 * device by which guests get a network, or the network settings of the machine.
 */
export function checkHost(files: HostFiles = {}): void {
  const { tunDevice = '/dev/net/tun', osRelease = '/etc/os-release', processStatus = '/proc/self/status' } = files;
  if (process.getuid?.() !== 0) {
    throw new OperationError('NOT_ROOT', 'the lab makes network namespaces and switches, which takes root', {
      remedy: "run it with 'sudo ./supercloud ...', or as root",
    });
  }
  const system = otherSystem(existsSync(osRelease) ? readFileSync(osRelease, 'utf8') : '');
  if (system !== undefined) {
    throw new OperationError('NOT_DEBIAN', `this machine is ${system}; the lab is made for Debian 12 and 13`, {
      remedy: 'use a machine or a VM with Debian 12 or 13',
    });
  }
  if (process.arch !== 'x64') {
    throw new OperationError('NOT_X86', `the lab's guests are x86-64, this machine is ${process.arch}`, {
      remedy: 'use a machine or a VM with an x86-64 processor',
    });
  }
  if (!mayMakeNamespaces(readFileSync(processStatus, 'utf8'))) {
    throw new OperationError('NO_NAMESPACES', 'this root may not make network namespaces, as in most containers', {
      remedy: 'use a machine or a VM, or a container with all rights (docker run --privileged --network host)',
    });
  }
  if (!mayOpen(tunDevice)) {
    throw new OperationError('NO_TUN', `${tunDevice} cannot be opened; guests get no network without it`, {
      remedy: `load it with 'modprobe tun', or give the container that device`,
    });
  }
  if (!receiveBufferFits(files.receiveBufferDefault ?? RECEIVE_BUFFER_DEFAULT)) {
    const setting = `net.core.rmem_default=${RECEIVE_BUFFER_BYTES}`;
    throw new OperationError('NO_BUFFERS', `${setting} is needed and cannot be set from this container`, {
      remedy: `on the machine itself: sysctl -w ${setting}; or give the container the machine's network`,
    });
  }
}
