// What parts a cloud's tunnels from the rest of its traffic, as a switch in the kernel would: VXLAN frames go past the
// kernel's own stack to the switch and back, all others are the kernel's (nftables, netdev family, no packet is copied).
// Without it every byte of a migration would cross two switches in userspace, on the processors that the guests need.
import { VXLAN_PORT } from '../wire/ports.ts';
import { createVethPair, runIn } from './namespace.ts';

/** The kernel's end of the pair that leads to the switch. */
const KERNEL_END = 'vx0';
/** The switch's end: a port of its underlay bridge. */
export const TUNNEL_UPLINK = 'vx1';

/** Opens it in a namespace between a device that leads to the other nodes and `TUNNEL_UPLINK`, which it makes. */
export async function openTunnelDoor(namespace: string, uplink: string): Promise<void> {
  await createVethPair({ namespace, device: KERNEL_END }, { namespace, device: TUNNEL_UPLINK });
  await runIn(namespace, 'nft', ['-f', '-'], { input: ruleset(uplink) });
}

// Of the answers to ARP both have a copy: kernel and switch ask for themselves.
function ruleset(uplink: string): string {
  return `
table netdev tunnels {
  chain from-wan {
    type filter hook ingress device "${uplink}" priority 0;
    udp dport ${VXLAN_PORT} fwd to "${KERNEL_END}"
    arp operation reply dup to "${KERNEL_END}"
  }
  chain from-switch {
    type filter hook ingress device "${KERNEL_END}" priority 0;
    fwd to "${uplink}"
  }
}
`;
}
