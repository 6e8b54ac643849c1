// What the lab needs of this machine and of Debian for a kind of guest.
import { fileURLToPath } from 'node:url';
import { OperationError } from '../common/errors.ts';
import type { ProgressLine } from '../common/progress.ts';
import { type GuestKind, hostPackages, type PreparedGuest, type PrepareOptions, prepareGuest } from './guest/build.ts';
import { GuestError } from './guest/guest-error.ts';

/** Switches, hypervisor, namespaces and the ping that measures: needed whatever guest runs. */
const LAB_PACKAGES = [
  'iproute2',
  'ethtool',
  'iputils-ping',
  'procps',
  'openvswitch-switch',
  'qemu-system-x86',
  'seabios',
  'qemu-utils',
  'bubblewrap',
];

/** Where prepared guests are kept, below the project. */
export const GUEST_CACHE = fileURLToPath(new URL('../.cache/guest', import.meta.url));

/** The Debian packages that a lab with this guest needs on this machine. */
export function labPackages(kind: GuestKind): readonly string[] {
  return [...LAB_PACKAGES, ...hostPackages(kind)];
}

/** Makes or finds the guest's kernel, initial RAM disk and disk image, showing how far it is. */
export async function prepareWithProgress(
  kind: GuestKind,
  line: ProgressLine,
  options: Omit<PrepareOptions, 'cacheDirectory' | 'onProgress'> = {},
): Promise<PreparedGuest> {
  line.begin(`prepare the ${kind} guest`);
  try {
    const onProgress = (detail: string): void => line.update({ detail });
    const guest = await prepareGuest(kind, { ...options, cacheDirectory: GUEST_CACHE, onProgress });
    line.end();
    return guest;
  } catch (error) {
    line.fail();
    if (error instanceof GuestError) throw new OperationError('GUEST_NOT_PREPARED', error.message, { cause: error });
    throw error;
  }
}
