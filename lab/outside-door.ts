// What brings a cloud's second address outside to its switch, as a provider brings it to a second device of a machine: frames
// for it go past the kernel's own stack to the switch, and the switch's back to the wire (nftables, netdev family).
import { createVethPair, runIn } from './namespace.ts';

const KERNEL_END = 'eg0';
/** The switch's end: a device that leads outside, and no further into its cloud. */
export const OUTSIDE_DEVICE = 'eg1';

/** How a cloud leads outside. */
export interface OutsidePlan {
  /** That address, in the network of its uplink, and nobody else's there. */
  readonly address: string;
  /** The MAC address of the router to the Internet. */
  readonly nextHop: string;
}

/** Opens it in a namespace between the device that leads to the other nodes and `OUTSIDE_DEVICE`, which it makes. */
export async function openOutsideDoor(namespace: string, uplink: string, { address }: OutsidePlan): Promise<void> {
  await createVethPair({ namespace, device: KERNEL_END }, { namespace, device: OUTSIDE_DEVICE });
  const rules = `
table netdev outside-${uplink} {
  chain from-wan {
    type filter hook ingress device "${uplink}" priority 0;
    ip daddr ${address} fwd to "${KERNEL_END}"
    arp daddr ip ${address} fwd to "${KERNEL_END}"
  }
  chain from-switch {
    type filter hook ingress device "${KERNEL_END}" priority 0;
    fwd to "${uplink}"
  }
}
`;
  await runIn(namespace, 'nft', ['-f', '-'], { input: rules });
}
