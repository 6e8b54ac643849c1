// Meters: rate limits that flow entries share.

import { type MessageCodec, numberOf, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { Malformed } from './faults.ts';
import type { Writer } from './writer.ts';

// enum ofp_meter_mod_command (OpenFlow 1.3.5, 7.3.4.4).
const METER_MOD_COMMANDS = ['add', 'modify', 'delete'] as const;

export type MeterModCommand = (typeof METER_MOD_COMMANDS)[number];

/** Meter numbers with a meaning of their own, OFPM_* (7.3.4.4). */
export const MeterNumber = { max: 0xffff0000, slowpath: 0xfffffffd, controller: 0xfffffffe, all: 0xffffffff } as const;

/** Bits of a meter's flags, OFPMF_* (7.3.4.4). */
export const MeterFlag = { kbps: 1 << 0, packetsPerSecond: 1 << 1, burst: 1 << 2, stats: 1 << 3 } as const;

/** Drops what is over the rate: kbit/s, or packets per second, as the meter's flags say. */
export interface DropBand {
  readonly type: 'drop';
  readonly rate: number;
  readonly burst: number;
}

/** Raises the drop precedence of what is over the rate by `precedence`. */
export interface DscpRemarkBand {
  readonly type: 'dscp-remark';
  readonly rate: number;
  readonly burst: number;
  readonly precedence: number;
}

/** One rate of a meter and what happens above it (7.3.4.4). */
export type MeterBand = DropBand | DscpRemarkBand;

/** Adds, changes or removes a meter (7.3.4.4). */
export interface MeterMod {
  readonly type: 'meter-mod';
  readonly command: MeterModCommand;
  /** Bits of MeterFlag. */
  readonly flags: number;
  readonly meterId: number;
  readonly bands: readonly MeterBand[];
}

// enum ofp_meter_band_type, less one (7.3.4.4); experimenter bands are not read.
const BAND_TYPES = ['drop', 'dscp-remark'] as const;

/** Both band types have this size on the wire. */
const BAND_BYTES = 16;

export const meterModCodec: MessageCodec<MeterMod> = {
  wireType: 29,
  write(writer: Writer, message: MeterMod) {
    writer.u16(numberOf(METER_MOD_COMMANDS, message.command, 'meter-mod command'), 'command');
    writer.u16(message.flags, 'flags');
    writer.u32(message.meterId, 'meterId');
    for (const band of message.bands) writeBand(writer, band);
  },
  read(cursor: Cursor): MeterMod {
    const command = wordOf(METER_MOD_COMMANDS, cursor.u16(), 'meter-mod command');
    const flags = cursor.u16();
    const meterId = cursor.u32();
    const bands: MeterBand[] = [];
    while (cursor.left > 0) bands.push(readBand(cursor));
    return { type: 'meter-mod', command, flags, meterId, bands };
  },
};

function writeBand(writer: Writer, band: MeterBand): void {
  writer.u16(numberOf(BAND_TYPES, band.type, 'band type') + 1, 'band type');
  writer.u16(BAND_BYTES, 'band length');
  writer.u32(band.rate, 'band rate');
  writer.u32(band.burst, 'band burst');
  writer.u8(band.type === 'drop' ? 0 : band.precedence, 'band precedence');
  writer.pad(3);
}

function readBand(cursor: Cursor): MeterBand {
  const type = wordOf(BAND_TYPES, cursor.u16() - 1, 'band type');
  const length = cursor.u16();
  if (length !== BAND_BYTES) throw new Malformed('bad-size', `a ${type} band is ${length} bytes long`);
  const rate = cursor.u32();
  const burst = cursor.u32();
  const precedence = cursor.u8();
  cursor.skip(3);
  return type === 'drop' ? { type, rate, burst } : { type, rate, burst, precedence };
}
