// Messages about ports: port-status from the switch and port-mod from the controller.

import type { EthAddress } from './addresses.ts';
import { type MessageCodec, numberOf, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { type Port, readPort, writePort } from './ports.ts';
import type { Writer } from './writer.ts';

// enum ofp_port_reason (OpenFlow 1.3.5, 7.4.3).
const PORT_STATUS_REASONS = ['add', 'delete', 'modify'] as const;

/** What happened to a port. */
export type PortStatusReason = (typeof PORT_STATUS_REASONS)[number];

/** A port came, went or changed (7.4.3). */
export interface PortStatus {
  readonly type: 'port-status';
  readonly reason: PortStatusReason;
  readonly port: Port;
}

export const portStatusCodec: MessageCodec<PortStatus> = {
  wireType: 12,
  write(writer: Writer, message: PortStatus) {
    writer.u8(numberOf(PORT_STATUS_REASONS, message.reason, 'port-status reason'), 'reason');
    writer.pad(7);
    writePort(writer, message.port);
  },
  read(cursor: Cursor): PortStatus {
    const reason = wordOf(PORT_STATUS_REASONS, cursor.u8(), 'port-status reason');
    cursor.skip(7);
    return { type: 'port-status', reason, port: readPort(cursor) };
  },
};

/** Changes a port's configuration (7.3.4.3). */
export interface PortMod {
  readonly type: 'port-mod';
  readonly portNo: number;
  /** Must be the port's own; a check against acting on another port. */
  readonly hwAddress: EthAddress;
  /** Bits of PortConfig. */
  readonly config: number;
  /** The bits of `config` that count. */
  readonly mask: number;
  /** Bits of OFPPF_*; 0 leaves what is advertised alone. */
  readonly advertise: number;
}

export const portModCodec: MessageCodec<PortMod> = {
  wireType: 16,
  write(writer: Writer, message: PortMod) {
    writer.u32(message.portNo, 'portNo');
    writer.pad(4);
    writer.eth(message.hwAddress);
    writer.pad(2);
    writer.u32(message.config, 'config');
    writer.u32(message.mask, 'mask');
    writer.u32(message.advertise, 'advertise');
    writer.pad(4);
  },
  read(cursor: Cursor): PortMod {
    const portNo = cursor.u32();
    cursor.skip(4);
    const hwAddress = cursor.eth();
    cursor.skip(2);
    const config = cursor.u32();
    const mask = cursor.u32();
    const advertise = cursor.u32();
    cursor.skip(4);
    return { type: 'port-mod', portNo, hwAddress, config, mask, advertise };
  },
};
