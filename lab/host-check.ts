// What the lab needs of this machine besides packages; each lack is one sentence before anything is made.
import { accessSync, constants, existsSync } from 'node:fs';
import { OperationError } from '../common/errors.ts';

const TUN_DEVICE = '/dev/net/tun';

function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Throws an OperationError that names what is missing: root, Debian's apt, or the device by which guests get a network. */
export function checkHost(tunDevice = TUN_DEVICE): void {
  if (process.getuid?.() !== 0) {
    throw new OperationError('NOT_ROOT', 'the lab makes network namespaces and switches, which takes root', {
      remedy: "run it with 'sudo ./supercloud ...'",
    });
  }
  if (!existsSync('/usr/bin/apt-get')) {
    throw new OperationError('NOT_DEBIAN', 'this machine has no apt-get', { remedy: 'use Debian 12 or 13' });
  }
  if (!mayOpen(tunDevice)) {
    throw new OperationError(
      'NO_TUN',
      `${tunDevice} is not there or may not be opened; guests get no network without it`,
      {
        remedy: `load it with 'modprobe tun', or give the container that device`,
      },
    );
  }
}
