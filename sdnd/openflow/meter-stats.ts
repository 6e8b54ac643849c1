// What a switch tells of its meters: the bodies of the multipart parts meter-stats, meter-config and meter-features.

import { readAll } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { type MeterBand, readBands, writeBands } from './meters.ts';
import type { Writer } from './writer.ts';

/** What a band has acted on. */
export interface BandStats {
  readonly packetCount: bigint;
  readonly byteCount: bigint;
}

/** Counters of one meter (OpenFlow 1.3.5, 7.3.5.12). */
export interface MeterStats {
  readonly meterId: number;
  /** Flow entries that send through it. */
  readonly flowCount: number;
  readonly packetInCount: bigint;
  readonly byteInCount: bigint;
  readonly durationSec: number;
  /** Nanoseconds beyond `durationSec`. */
  readonly durationNsec: number;
  readonly bands: readonly BandStats[];
}

/** Bytes of a meter's counters in front of those of its bands. */
const METER_STATS_BYTES = 40;

export function writeMeterStats(writer: Writer, meter: MeterStats): void {
  const start = writer.at;
  writer.u32(meter.meterId, 'meterId');
  const length = writer.length();
  writer.pad(6);
  writer.u32(meter.flowCount, 'flowCount');
  writer.u64(meter.packetInCount, 'packetInCount');
  writer.u64(meter.byteInCount, 'byteInCount');
  writer.u32(meter.durationSec, 'durationSec');
  writer.u32(meter.durationNsec, 'durationNsec');
  for (const band of meter.bands) {
    writer.u64(band.packetCount, 'band packetCount');
    writer.u64(band.byteCount, 'band byteCount');
  }
  writer.setLength(length, start);
}

export function readMeterStats(cursor: Cursor): MeterStats {
  const meterId = cursor.u32();
  const length = cursor.u16();
  if (length < METER_STATS_BYTES) throw cursor.fault('bad-size', `statistics of a meter are ${length} bytes long`);
  const body = cursor.part(length - 6);
  body.skip(6);
  return {
    meterId,
    flowCount: body.u32(),
    packetInCount: body.u64(),
    byteInCount: body.u64(),
    durationSec: body.u32(),
    durationNsec: body.u32(),
    bands: readAll(body, (band) => ({ packetCount: band.u64(), byteCount: band.u64() })),
  };
}

/** A meter as it was set up (7.3.5.13). */
export interface MeterConfig {
  /** Bits of MeterFlag. */
  readonly flags: number;
  readonly meterId: number;
  readonly bands: readonly MeterBand[];
}

/** Bytes of a meter's configuration in front of its bands. */
const METER_CONFIG_BYTES = 8;

export function writeMeterConfig(writer: Writer, meter: MeterConfig): void {
  const start = writer.at;
  const length = writer.length();
  writer.u16(meter.flags, 'flags');
  writer.u32(meter.meterId, 'meterId');
  writeBands(writer, meter.bands);
  writer.setLength(length, start);
}

export function readMeterConfig(cursor: Cursor): MeterConfig {
  const length = cursor.u16();
  if (length < METER_CONFIG_BYTES) throw cursor.fault('bad-size', `a meter's configuration is ${length} bytes long`);
  const body = cursor.part(length - 2);
  return { flags: body.u16(), meterId: body.u32(), bands: readBands(body) };
}

/** What meters a switch can have (7.3.5.14). */
export interface MeterFeatures {
  readonly maxMeters: number;
  /** Bit n for the band type numbered n: 1 drop, 2 dscp-remark. */
  readonly bandTypes: number;
  /** Bits of MeterFlag. */
  readonly capabilities: number;
  /** Most bands of one meter. */
  readonly maxBands: number;
  readonly maxColor: number;
}

export function writeMeterFeatures(writer: Writer, features: MeterFeatures): void {
  writer.u32(features.maxMeters, 'maxMeters');
  writer.u32(features.bandTypes, 'bandTypes');
  writer.u32(features.capabilities, 'meter capabilities');
  writer.u8(features.maxBands, 'maxBands');
  writer.u8(features.maxColor, 'maxColor');
  writer.pad(2);
}

export function readMeterFeatures(cursor: Cursor): MeterFeatures {
  const features = {
    maxMeters: cursor.u32(),
    bandTypes: cursor.u32(),
    capabilities: cursor.u32(),
    maxBands: cursor.u8(),
    maxColor: cursor.u8(),
  };
  cursor.skip(2);
  return features;
}
