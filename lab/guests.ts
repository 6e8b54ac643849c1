// What the lab needs of this machine and of Debian for a kind of guest.
import { fileURLToPath } from 'node:url';
import { messageOf, OperationError } from '../common/errors.ts';
import type { ProgressLine } from '../common/terminal/progress.ts';
import { type GuestKind, hostPackages, type PreparedGuest, type PrepareOptions, prepareGuest } from './guest/build.ts';
import { FULL_DISK, GuestError } from './guest/guest-error.ts';
import { stopTools } from './guest/host-tool.ts';

/** Switches, hypervisor, namespaces and the ping that measures: needed whatever guest runs. */
const LAB_PACKAGES = [
  'iproute2',
  'ethtool',
  'iputils-ping',
  'nftables',
  'procps',
  'openvswitch-switch',
  'qemu-system-x86',
  'seabios',
  'qemu-utils',
  'bubblewrap',
];

/** WireGuard in user space, and the tool that speaks to it: for a lab whose nodes encrypt. */
export const WIREGUARD_PACKAGES = ['wireguard-go', 'wireguard-tools'] as const;

/** What the lab, while it stays, invites its owner to use the guest with. */
const VISITOR_PACKAGES = { tiny: ['curl'], debian: ['curl', 'openssh-client'] } as const;

/** Where prepared guests are kept, below the project. */
export const GUEST_CACHE = fileURLToPath(new URL('../.cache/guest', import.meta.url));

/** The Debian packages that a lab with this guest needs on this machine. */
export function labPackages(kind: GuestKind): readonly string[] {
  return [...LAB_PACKAGES, ...hostPackages(kind)];
}

/** Those that its owner needs to try the guest. */
export function visitorPackages(kind: GuestKind): readonly string[] {
  return VISITOR_PACKAGES[kind];
}

/**
 * Makes or finds the guest's kernel, initial RAM disk and disk image, showing how far it is. Once the signal is given
 * what is half made is removed.
 * @throws OperationError GUEST_NOT_PREPARED or STOPPED
 */
export async function prepareWithProgress(
  kind: GuestKind,
  line: ProgressLine,
  options: Omit<PrepareOptions, 'cacheDirectory' | 'onProgress'> & { readonly signal?: AbortSignal } = {},
): Promise<PreparedGuest> {
  const { signal, ...wanted } = options;
  line.begin(`prepare the ${kind} guest`);
  signal?.addEventListener('abort', stopTools, { once: true });
  try {
    const onProgress = (detail: string): void => line.update({ detail });
    const guest = await prepareGuest(kind, { ...wanted, cacheDirectory: GUEST_CACHE, onProgress });
    line.end();
    return guest;
  } catch (error) {
    line.fail();
    throw signal?.aborted === true ? stoppedError(error) : explained(error);
  } finally {
    signal?.removeEventListener('abort', stopTools);
  }
}

function stoppedError(cause: unknown): OperationError {
  const remedy = 'run the command again to go on';
  return new OperationError('STOPPED', 'stopped while the guest was made', { remedy, cause });
}

function explained(cause: unknown): unknown {
  const message = messageOf(cause);
  if (!(cause instanceof GuestError) && !FULL_DISK.test(message)) return cause;
  const ofGuest = cause instanceof GuestError ? cause.remedy : '';
  const remedy = ofGuest === '' && FULL_DISK.test(message) ? 'make room (df -h shows where), then try again' : ofGuest;
  return new OperationError('GUEST_NOT_PREPARED', message, { remedy, cause });
}
