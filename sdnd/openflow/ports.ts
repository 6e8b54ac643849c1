// Ports: the reserved port numbers and the port description that several messages carry. Holds no message of its own.

import type { EthAddress } from './addresses.ts';
import type { Cursor } from './cursor.ts';
import type { Writer } from './writer.ts';

/** Reserved port numbers, OFPP_* (OpenFlow 1.3.5, 7.2.1). */
export const PortNumber = {
  /** Highest number of a real port. */
  max: 0xffffff00,
  /** Back out of the port the packet came in by; a plain output to that port is dropped. */
  inPort: 0xfffffff8,
  /** Through the flow tables from the first on; in packet-out only. */
  table: 0xfffffff9,
  normal: 0xfffffffa,
  flood: 0xfffffffb,
  all: 0xfffffffc,
  controller: 0xfffffffd,
  local: 0xfffffffe,
  /** Wildcard of requests and of flow-mod deletes; never a place to send to. */
  any: 0xffffffff,
} as const;

/** OFPP_IN_PORT as Nicira's 16-bit `resubmit` port writes it. */
export const NX_RESUBMIT_IN_PORT = 0xfff8;

/** Bits of a port's configuration, OFPPC_* (7.2.1). */
export const PortConfig = { portDown: 1 << 0, noReceive: 1 << 2, noForward: 1 << 5, noPacketIn: 1 << 6 } as const;

/** Bits of a port's state, OFPPS_* (7.2.1). */
export const PortState = { linkDown: 1 << 0, blocked: 1 << 1, live: 1 << 2 } as const;

/** Bits of what a link runs at or can do, OFPPF_* (7.2.1). */
export const PortFeature = {
  half10Mb: 1 << 0,
  full10Mb: 1 << 1,
  half100Mb: 1 << 2,
  full100Mb: 1 << 3,
  half1Gb: 1 << 4,
  full1Gb: 1 << 5,
  full10Gb: 1 << 6,
  full40Gb: 1 << 7,
  full100Gb: 1 << 8,
  full1Tb: 1 << 9,
  other: 1 << 10,
  copper: 1 << 11,
  fiber: 1 << 12,
  autonegotiation: 1 << 13,
  pause: 1 << 14,
  asymmetricPause: 1 << 15,
} as const;

/** One port of a switch, struct ofp_port (7.2.1). `current`, `advertised`, `supported` and `peer` are bits of PortFeature, speeds are in kbit/s. */
export interface Port {
  readonly portNo: number;
  readonly hwAddress: EthAddress;
  /** At most 15 characters of one byte. */
  readonly name: string;
  /** Bits of PortConfig. */
  readonly config: number;
  /** Bits of PortState. */
  readonly state: number;
  readonly current: number;
  readonly advertised: number;
  readonly supported: number;
  readonly peer: number;
  readonly currentKbps: number;
  readonly maxKbps: number;
}

/** Width of a port's name on the wire, OFP_MAX_PORT_NAME_LEN. */
const PORT_NAME_BYTES = 16;

export function writePort(writer: Writer, port: Port): void {
  writer.u32(port.portNo, 'portNo');
  writer.pad(4);
  writer.eth(port.hwAddress);
  writer.pad(2);
  writer.text(port.name, PORT_NAME_BYTES, 'name');
  writer.u32(port.config, 'config');
  writer.u32(port.state, 'state');
  writer.u32(port.current, 'current');
  writer.u32(port.advertised, 'advertised');
  writer.u32(port.supported, 'supported');
  writer.u32(port.peer, 'peer');
  writer.u32(port.currentKbps, 'currentKbps');
  writer.u32(port.maxKbps, 'maxKbps');
}

export function readPort(cursor: Cursor): Port {
  const portNo = cursor.u32();
  cursor.skip(4);
  const hwAddress = cursor.eth();
  cursor.skip(2);
  return {
    portNo,
    hwAddress,
    name: cursor.text(PORT_NAME_BYTES),
    config: cursor.u32(),
    state: cursor.u32(),
    current: cursor.u32(),
    advertised: cursor.u32(),
    supported: cursor.u32(),
    peer: cursor.u32(),
    currentKbps: cursor.u32(),
    maxKbps: cursor.u32(),
  };
}
