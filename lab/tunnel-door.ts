// What parts a cloud's tunnels from the rest of its traffic, as a switch in the kernel would: VXLAN frames go past the
// kernel's own stack to the switch and back, all others are the kernel's (nftables, netdev family, no packet is copied).
// Without it every byte of a migration would cross two switches in userspace, on the processors that the guests need.
import { VXLAN_PORT } from '../wire/ports.ts';
import { createVethPair, runIn } from './namespace.ts';

/** A pair that leads to the switch: the kernel's end, and the switch's, a port of an underlay bridge. */
type Pair = Readonly<Record<'kernel' | 'switch', string>>;
const PAIR: Pair = { kernel: 'vx0', switch: 'vx1' };
const INSIDE_PAIR: Pair = { kernel: 'vx2', switch: 'vx3' };
export const KERNEL_END = PAIR.kernel;
export const TUNNEL_UPLINK = PAIR.switch;
/** The same for a gateway's private network. */
export const INSIDE_TUNNEL_UPLINK = INSIDE_PAIR.switch;

/** Opens it in a namespace between a device that leads to the other nodes and `TUNNEL_UPLINK`, which it makes. */
export function openTunnelDoor(namespace: string, uplink: string): Promise<void> {
  return open(namespace, uplink, PAIR);
}

/** The same in a gateway, between the device that leads to its private network and `INSIDE_TUNNEL_UPLINK`. */
export function openInsideTunnelDoor(namespace: string, uplink: string): Promise<void> {
  return open(namespace, uplink, INSIDE_PAIR);
}

async function open(namespace: string, uplink: string, pair: Pair): Promise<void> {
  await createVethPair({ namespace, device: pair.kernel }, { namespace, device: pair.switch });
  await runIn(namespace, 'nft', ['-f', '-'], { input: ruleset(uplink, pair.kernel) });
}

// Of the answers to ARP both have a copy: kernel and switch ask for themselves.
function ruleset(uplink: string, kernelEnd: string): string {
  return `
table netdev tunnels-${uplink} {
  chain from-wan {
    type filter hook ingress device "${uplink}" priority 0;
    udp dport ${VXLAN_PORT} fwd to "${kernelEnd}"
    arp operation reply dup to "${kernelEnd}"
  }
  chain from-switch {
    type filter hook ingress device "${kernelEnd}" priority 0;
    fwd to "${uplink}"
  }
}
`;
}
