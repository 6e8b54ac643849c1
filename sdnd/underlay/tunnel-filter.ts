// Which VXLAN frames a node takes: from members, and from them only out of WireGuard (nftables). Whoever else sends some, by
// whatever network, is not heard by the switch (SOUNDNESS C11 one layer below). And where what comes out of WireGuard goes on to:
// into it again, from member to member, and nowhere else; nobody is told of a shorter way, which there is none of. Pure.
import { VXLAN_PORT } from '../../wire/ports.ts';

/** Family and name, as nft has them. */
export const FILTER_TABLE = 'inet supercloud-tunnels';
/** Before anything else looks at a packet. */
const PRIORITY = -300;

export interface TunnelFilter {
  /** The WireGuard device. */
  readonly device: string;
  /** The members' addresses in it. */
  readonly members: readonly string[];
  /** Devices by which the node's own switch sends, where that is one in user space. */
  readonly switchDevices: readonly string[];
}

/** The rules as input for `nft -f -` (nft(8)); what was there under the same name is replaced in one step. */
export function tunnelRules({ device, members, switchDevices }: TunnelFilter): string {
  const own = switchDevices.length === 0 ? '' : `\n    iifname { ${quoted(switchDevices)} } accept`;
  const toOwn = switchDevices.length === 0 ? '' : `\n    oifname { ${quoted(switchDevices)} } accept`;
  const elements = members.length === 0 ? '' : `\n    elements = { ${members.join(', ')} }`;
  return `table ${FILTER_TABLE} {}
delete table ${FILTER_TABLE}
table ${FILTER_TABLE} {
  set members {
    type ipv4_addr${elements}
  }
  chain tunnels {${own}
    iifname "${device}" ip saddr @members accept
    counter drop
  }
  chain on {
    type filter hook forward priority ${PRIORITY}; policy accept;
    iifname "${device}" jump relayed
  }
  chain relayed {${toOwn}
    oifname "${device}" ip saddr @members ip daddr @members accept
    counter drop
  }
  chain out {
    type filter hook output priority ${PRIORITY}; policy accept;
    oifname "${device}" icmp type redirect drop
  }
  chain in {
    type filter hook prerouting priority ${PRIORITY}; policy accept;
    udp dport ${VXLAN_PORT} jump tunnels
  }
}
`;
}

function quoted(devices: readonly string[]): string {
  return devices.map((device) => `"${device}"`).join(', ');
}
