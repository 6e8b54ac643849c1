// WireGuard under a cloud, by wireguard-go, and the way of the switch's tunnels through it: what the switch in user space sends
// to another node comes into the kernel by a pair of devices and is routed into WireGuard, what comes out of it goes back.
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTROL_SOCKETS, controlSocket } from '../common/wireguard-socket.ts';
import { VXLAN_PORT } from '../wire/ports.ts';
import { createVethPair, runIn, spawnIn } from './namespace.ts';
import { PREFIX } from './topology.ts';
import { KERNEL_END, TUNNEL_UPLINK } from './tunnel-door.ts';

export const WIREGUARD_PORT = 51_820;
/** What 1500 leaves after WireGuard's 80. */
const MTU_BYTES = 1_420;
/** The next hop of the switch's tunnels: the kernel's end of the pair. */
export const TUNNEL_ROUTER = '169.254.99.1';
const TUNNEL_TABLE = 100;
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 50;
/** Linux: a device name has at most 15 characters. */
const NAME_CHARACTERS_MAX = 15;

/** The name of a cloud's device: no other one on this machine has it. */
export function wireGuardDevice(runId: string, cloud: string): string {
  return `${runId}-${cloud}`.slice(0, NAME_CHARACTERS_MAX);
}

/**
 * Makes the device with its address; it ends with its namespace. What wireguard-go says goes to that file. `onEnd`: it ended,
 * for whatever reason.
 */
export async function startWireGuard(
  namespace: string,
  { device, address, log }: { device: string; address: string; log: string },
  onEnd: (how: string) => void,
): Promise<void> {
  const output = openSync(log, 'a', 0o600);
  const daemon = spawnIn(namespace, 'wireguard-go', ['--foreground', device], { stdio: ['ignore', output, output] });
  closeSync(output);
  let end: string | undefined;
  const ended = (how: string): void => {
    end = how;
    onEnd(how);
  };
  daemon.once('exit', (code, signal) => ended(signal ?? `code ${code}`));
  daemon.once('error', (error) => ended(error.message));
  daemon.unref();
  for (let waitedMs = 0; !isServed(daemon.pid, device); waitedMs += READY_POLL_MS) {
    const trouble = end ?? (waitedMs > READY_TIMEOUT_MS ? `no ${device} within ${READY_TIMEOUT_MS} ms` : undefined);
    if (trouble !== undefined)
      throw new Error(`wireguard-go in ${namespace}: ${trouble}\n${readFileSync(log, 'utf8')}`);
    await sleep(READY_POLL_MS);
  }
  const script = `ip address add ${address}/${PREFIX} dev ${device}\nip link set ${device} mtu ${MTU_BYTES} up\n`;
  await runIn(namespace, 'sh', ['-e'], { input: script });
}

/** Opens the switch's way into the device; the underlay bridge, of that address, will have that MAC address. */
export async function openWireGuardDoor(
  namespace: string,
  { device, address, mac }: { device: string; address: string; mac: string },
): Promise<void> {
  await createVethPair({ namespace, device: KERNEL_END }, { namespace, device: TUNNEL_UPLINK });
  // The bridge's address is the node's own here too: frames from it are let in all the same, and tunnels for it go to the
  // bridge and not to the kernel's own stack, for which the rule must come before the local addresses.
  const script = `
sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0
sysctl -q -w net.ipv4.conf.${KERNEL_END}.accept_local=1 net.ipv4.conf.${KERNEL_END}.rp_filter=0
ip address add ${TUNNEL_ROUTER}/32 dev ${KERNEL_END}
ip rule add pref 10 table local
ip rule add pref 5 iif ${device} ipproto udp dport ${VXLAN_PORT} table ${TUNNEL_TABLE}
ip rule del pref 0
ip route add ${address} dev ${KERNEL_END} table ${TUNNEL_TABLE}
ip neigh add ${address} lladdr ${mac} dev ${KERNEL_END} nud permanent
`;
  await runIn(namespace, 'sh', ['-e'], { input: script });
}

/** Removes the sockets of a run's devices, which a killed wireguard-go leaves behind. */
export function removeWireGuardSockets(runId: string): void {
  for (const name of socketNames())
    if (name.startsWith(`${runId}-`)) rmSync(`${CONTROL_SOCKETS}/${name}`, { force: true });
}

function socketNames(): string[] {
  try {
    return readdirSync(CONTROL_SOCKETS).filter((name) => name.endsWith('.sock'));
  } catch {
    return []; // No wireguard-go has ever run here.
  }
}

/** Whether a wireguard-go, by its process, answers for its device. wg(8) is not asked: see `WireGuardDevice`. */
export function isServed(pid: number | undefined, device: string): boolean {
  try {
    return controlSocket(device, readFileSync(`/proc/${pid}/net/unix`, 'utf8')) === 'listening';
  } catch {
    return false; // It has ended.
  }
}
