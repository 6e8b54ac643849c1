// Everything that is measured, by its name.
import type { LaidWay } from './bench-net.ts';
import { layByGateway, layDirect, layEncrypted } from './our-ways.ts';
import { layKernelVxlan, layOpenVswitch, layWire } from './plain-ways.ts';
import { layOpenVpn, layTinc, layWireGuard } from './vpn-ways.ts';

export interface OverlayWay {
  readonly name: string;
  readonly isOurs: boolean;
  readonly isEncrypted: boolean;
  /** On failure nothing is left. */
  lay(): Promise<LaidWay>;
}

const peer = { isOurs: false, isEncrypted: false };
const vpn = { isOurs: false, isEncrypted: true };
const ours = { isOurs: true, isEncrypted: false };

export const OVERLAY_WAYS: readonly OverlayWay[] = [
  { name: 'bare veth', ...peer, lay: layWire },
  { name: 'kernel VXLAN', ...peer, lay: layKernelVxlan },
  { name: 'Open vSwitch', ...peer, lay: layOpenVswitch },
  { name: 'supercloud', ...ours, lay: layDirect },
  { name: 'supercloud, gateway', ...ours, lay: layByGateway },
  { name: 'wireguard-go', ...vpn, lay: layWireGuard },
  { name: 'OpenVPN', ...vpn, lay: layOpenVpn },
  { name: 'tinc', ...vpn, lay: layTinc },
  { name: 'supercloud, WireGuard', ...ours, isEncrypted: true, lay: layEncrypted },
];

/** Debian's packages of all of them. */
export const OVERLAY_BENCH_PACKAGES = [
  ...['openvswitch-switch', 'nftables', 'ethtool', 'iproute2', 'iputils-ping', 'openssl', 'iperf3'],
  ...['wireguard-go', 'wireguard-tools', 'openvpn', 'tinc'],
];
