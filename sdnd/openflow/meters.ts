// Meters: rate limits that flow entries share.

import { type MessageCodec, numberOf, readAll, wordOf } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { wireError } from './error-codes.ts';
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

/** Another experimenter's band, uninterpreted. `body` follows the experimenter id. */
export interface ExperimenterBand {
  readonly type: 'experimenter';
  readonly rate: number;
  readonly burst: number;
  readonly experimenter: number;
  readonly body: Uint8Array;
}

/** One rate of a meter and what happens above it (7.3.4.4). */
export type MeterBand = DropBand | DscpRemarkBand | ExperimenterBand;

/** Adds, changes or removes a meter (7.3.4.4). */
export interface MeterMod {
  readonly type: 'meter-mod';
  readonly command: MeterModCommand;
  /** Bits of MeterFlag. */
  readonly flags: number;
  readonly meterId: number;
  readonly bands: readonly MeterBand[];
}

// enum ofp_meter_band_type (7.3.4.4).
const BAND_NUMBER: { readonly [T in MeterBand['type']]: number } = { drop: 1, 'dscp-remark': 2, experimenter: 0xffff };

/** Bytes of a band of the specification, and those of an experimenter's in front of its body. */
const BAND_BYTES = 16;

const BAD_COMMAND = wireError('METER_MOD_FAILED', 'BAD_COMMAND');
const BAD_BAND = wireError('METER_MOD_FAILED', 'BAD_BAND');

export const meterModCodec: MessageCodec<MeterMod> = {
  wireType: 29,
  write(writer: Writer, message: MeterMod) {
    writer.u16(numberOf(METER_MOD_COMMANDS, message.command, 'meter-mod command'), 'command');
    writer.u16(message.flags, 'flags');
    writer.u32(message.meterId, 'meterId');
    writeBands(writer, message.bands);
  },
  read(cursor: Cursor): MeterMod {
    const command = wordOf(METER_MOD_COMMANDS, cursor.u16(), 'meter-mod command', BAD_COMMAND);
    const flags = cursor.u16();
    return { type: 'meter-mod', command, flags, meterId: cursor.u32(), bands: readBands(cursor) };
  },
};

export function writeBands(writer: Writer, bands: readonly MeterBand[]): void {
  for (const band of bands) writeBand(writer, band);
}

function writeBand(writer: Writer, band: MeterBand): void {
  const start = writer.at;
  writer.u16(BAND_NUMBER[band.type], 'band type');
  const length = writer.length();
  writer.u32(band.rate, 'band rate');
  writer.u32(band.burst, 'band burst');
  switch (band.type) {
    case 'drop':
      writer.pad(4);
      break;
    case 'dscp-remark':
      writer.u8(band.precedence, 'band precedence');
      writer.pad(3);
      break;
    case 'experimenter':
      writer.u32(band.experimenter, 'band experimenter');
      writer.bytes(band.body);
      break;
  }
  writer.setLength(length, start);
}

/** Reads bands up to the cursor's end. */
export function readBands(cursor: Cursor): MeterBand[] {
  return readAll(cursor, readBand);
}

function readBand(cursor: Cursor): MeterBand {
  const type = cursor.u16();
  const length = cursor.u16();
  if (length < BAND_BYTES) throw cursor.fault('bad-size', `a meter band is ${length} bytes long`);
  const body = cursor.part(length - 4);
  const rate = body.u32();
  const burst = body.u32();
  const band = readBandRest(body, type, rate, burst);
  body.close(`meter band ${band.type}`);
  return band;
}

function readBandRest(body: Cursor, type: number, rate: number, burst: number): MeterBand {
  switch (type) {
    case BAND_NUMBER.drop:
      body.skip(4);
      return { type: 'drop', rate, burst };
    case BAND_NUMBER['dscp-remark']: {
      const precedence = body.u8();
      body.skip(3);
      return { type: 'dscp-remark', rate, burst, precedence };
    }
    case BAND_NUMBER.experimenter:
      return { type: 'experimenter', rate, burst, experimenter: body.u32(), body: body.rest() };
    default:
      throw body.fault('bad-value', `there is no meter band type ${type}`, BAD_BAND);
  }
}
