// Statistics of the switch and its ports: the bodies of the multipart parts desc and port-stats.

import type { Cursor } from './cursor.ts';
import type { Writer } from './writer.ts';

/** Who made the switch (OpenFlow 1.3.5, 7.3.5.1). Each text has at most 255 characters of one byte, the serial 31. */
export interface SwitchDesc {
  readonly manufacturer: string;
  readonly hardware: string;
  readonly software: string;
  readonly serialNumber: string;
  readonly datapath: string;
}

/** DESC_STR_LEN and SERIAL_NUM_LEN (7.3.5.1). */
const DESC_BYTES = 256;
const SERIAL_BYTES = 32;

export function writeSwitchDesc(writer: Writer, desc: SwitchDesc): void {
  writer.text(desc.manufacturer, DESC_BYTES, 'manufacturer');
  writer.text(desc.hardware, DESC_BYTES, 'hardware');
  writer.text(desc.software, DESC_BYTES, 'software');
  writer.text(desc.serialNumber, SERIAL_BYTES, 'serialNumber');
  writer.text(desc.datapath, DESC_BYTES, 'datapath');
}

export function readSwitchDesc(cursor: Cursor): SwitchDesc {
  return {
    manufacturer: cursor.text(DESC_BYTES),
    hardware: cursor.text(DESC_BYTES),
    software: cursor.text(DESC_BYTES),
    serialNumber: cursor.text(SERIAL_BYTES),
    datapath: cursor.text(DESC_BYTES),
  };
}

/** Counters of one port (7.3.5.6). A counter that the switch does not keep is all ones. */
export interface PortStats {
  readonly portNo: number;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxBytes: bigint;
  readonly txBytes: bigint;
  readonly rxDropped: bigint;
  readonly txDropped: bigint;
  readonly rxErrors: bigint;
  readonly txErrors: bigint;
  readonly rxFrameErrors: bigint;
  readonly rxOverErrors: bigint;
  readonly rxCrcErrors: bigint;
  readonly collisions: bigint;
  readonly durationSec: number;
  /** Nanoseconds beyond `durationSec`. */
  readonly durationNsec: number;
}

export function writePortStats(writer: Writer, port: PortStats): void {
  writer.u32(port.portNo, 'portNo');
  writer.pad(4);
  writer.u64(port.rxPackets, 'rxPackets');
  writer.u64(port.txPackets, 'txPackets');
  writer.u64(port.rxBytes, 'rxBytes');
  writer.u64(port.txBytes, 'txBytes');
  writer.u64(port.rxDropped, 'rxDropped');
  writer.u64(port.txDropped, 'txDropped');
  writer.u64(port.rxErrors, 'rxErrors');
  writer.u64(port.txErrors, 'txErrors');
  writer.u64(port.rxFrameErrors, 'rxFrameErrors');
  writer.u64(port.rxOverErrors, 'rxOverErrors');
  writer.u64(port.rxCrcErrors, 'rxCrcErrors');
  writer.u64(port.collisions, 'collisions');
  writer.u32(port.durationSec, 'durationSec');
  writer.u32(port.durationNsec, 'durationNsec');
}

export function readPortStats(cursor: Cursor): PortStats {
  const portNo = cursor.u32();
  cursor.skip(4);
  return {
    portNo,
    rxPackets: cursor.u64(),
    txPackets: cursor.u64(),
    rxBytes: cursor.u64(),
    txBytes: cursor.u64(),
    rxDropped: cursor.u64(),
    txDropped: cursor.u64(),
    rxErrors: cursor.u64(),
    txErrors: cursor.u64(),
    rxFrameErrors: cursor.u64(),
    rxOverErrors: cursor.u64(),
    rxCrcErrors: cursor.u64(),
    collisions: cursor.u64(),
    durationSec: cursor.u32(),
    durationNsec: cursor.u32(),
  };
}
