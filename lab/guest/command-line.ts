// Writes a guest's kernel command line, through which it learns all that differs from guest to guest. It must reject what the kernel would split.
import { GuestError } from './guest-error.ts';

/** What the load of a guest does from its start; each can be changed later on the control port, except `region`. */
export interface LoadParameters {
  /** Disk writes of 4 KiB per second. Default 20. */
  readonly writes?: number;
  /** Writes between two fsyncs. Default 20. */
  readonly sync?: number;
  /** Records read back and verified per second. Default 20. */
  readonly reads?: number;
  /** Memory dirtied, in MB/s (10^6). Default 2. */
  readonly dirty?: number;
  /** Memory that is dirtied in turn, in MB (2^20). Default 16. */
  readonly buffer?: number;
  /** Part of the disk that is written, in MB (2^20). Default 16. */
  readonly region?: number;
}

export interface GuestSettings {
  /** IPv4 address with its prefix length: `10.88.0.10/24`; or `dhcp`: it asks its node (the tiny guest only). */
  readonly address: string;
  readonly gateway?: string;
  readonly nameServer?: string;
  /** In bytes. Default 1330: what is left of 1500 after WireGuard and VXLAN, rounded down. */
  readonly mtuBytes?: number;
  readonly name?: string;
  /** One line of an `authorized_keys` file; its comment is dropped. Root may log in with it (the Debian guest only). */
  readonly sshPublicKey?: string;
  readonly load?: LoadParameters;
}

/** What the guest prints on its serial console, as one line, once its ports are open and its disk is ready. */
export const READY_LINE = 'SUPERCLOUD-GUEST-READY';

/** Linux, Documentation/admin-guide/kernel-parameters: COMMAND_LINE_SIZE on x86. */
const COMMAND_LINE_BYTES_MAX = 2048;
const DEFAULT_MTU_BYTES = 1330;
/** For every guest; `kernelArguments` of an image come on top. */
const ARGUMENTS = ['console=ttyS0', 'quiet', 'panic=-1', 'net.ifnames=0', 'mitigations=off', 'nowatchdog'];

/** The command line for QEMU's `-append`. Fails with GuestError `host` for a value that cannot be passed. */
export function kernelCommandLine(settings: GuestSettings, kernelArguments: readonly string[]): string {
  const words = Object.entries({
    ip: settings.address,
    gw: settings.gateway,
    dns: settings.nameServer,
    mtu: String(settings.mtuBytes ?? DEFAULT_MTU_BYTES),
    name: settings.name,
    key: settings.sshPublicKey === undefined ? undefined : keyWord(settings.sshPublicKey),
    load: settings.load === undefined ? undefined : loadWord(settings.load),
  }).flatMap(([name, value]) => (value === undefined ? [] : [`supercloud.${name}=${value}`]));
  const line = [...ARGUMENTS, ...kernelArguments, ...words].join(' ');
  if (words.some((word) => !/^[\x21-\x7e]+$/.test(word)) || line.length > COMMAND_LINE_BYTES_MAX) {
    throw new GuestError(
      'host',
      `kernel command line of ${line.length} bytes has a blank in a value or is over ${COMMAND_LINE_BYTES_MAX}: ${line}`,
    );
  }
  return line;
}

function keyWord(line: string): string {
  const [type, key] = line.trim().split(/\s+/);
  if (type === undefined || key === undefined)
    throw new GuestError('host', 'ssh public key: expected "TYPE KEY [COMMENT]"');
  return `${type}:${key}`;
}

function loadWord(load: LoadParameters): string {
  return Object.entries(load)
    .map(([name, value]) => `${name}:${value}`)
    .join(',');
}
