// What can be asked for in a multipart request and what is answered: one row for each part. Must not know the message
// around it.

import { readAll } from './codec.ts';
import type { Cursor } from './cursor.ts';
import {
  type AggregateStats,
  type FlowFilter,
  type FlowStats,
  readAggregateStats,
  readFlowFilter,
  readFlowStats,
  readTableStats,
  type TableStats,
  writeAggregateStats,
  writeFlowFilter,
  writeFlowStats,
  writeTableStats,
} from './flow-stats.ts';
import {
  type GroupDesc,
  type GroupFeatures,
  type GroupStats,
  readGroupDesc,
  readGroupFeatures,
  readGroupStats,
  writeGroupDesc,
  writeGroupFeatures,
  writeGroupStats,
} from './group-stats.ts';
import {
  type MeterConfig,
  type MeterFeatures,
  type MeterStats,
  readMeterConfig,
  readMeterFeatures,
  readMeterStats,
  writeMeterConfig,
  writeMeterFeatures,
  writeMeterStats,
} from './meter-stats.ts';
import { type Port, readPort, writePort } from './ports.ts';
import {
  type QueueFilter,
  type QueueStats,
  readQueueFilter,
  readQueueStats,
  writeQueueFilter,
  writeQueueStats,
} from './queues.ts';
import {
  type PortStats,
  readPortStats,
  readSwitchDesc,
  type SwitchDesc,
  writePortStats,
  writeSwitchDesc,
} from './switch-stats.ts';
import { readTableFeatures, type TableFeatures, writeTableFeatures } from './table-features.ts';
import type { Writer } from './writer.ts';

/** A part without a type here, uninterpreted. */
export interface RawPart {
  readonly part: 'raw';
  /** Number of enum ofp_multipart_type. */
  readonly partNumber: number;
  readonly body: Uint8Array;
}

/** Another experimenter's part, uninterpreted (OpenFlow 1.3.5, 7.3.5.16). */
export interface ExperimenterPart {
  readonly part: 'experimenter';
  readonly experimenter: number;
  readonly experimenterType: number;
  readonly data: Uint8Array;
}

/** What a request asks for. */
export type RequestBody =
  | { readonly part: 'desc' | 'table' | 'group-desc' | 'group-features' | 'meter-features' | 'port-desc' }
  | ({ readonly part: 'flow' | 'aggregate' } & FlowFilter)
  | { readonly part: 'port-stats'; readonly portNo: number }
  | ({ readonly part: 'queue-stats' } & QueueFilter)
  | { readonly part: 'group-stats'; readonly groupId: number }
  | { readonly part: 'meter-stats' | 'meter-config'; readonly meterId: number }
  /** Without tables it asks; with tables it sets what they can do. */
  | { readonly part: 'table-features'; readonly tables: readonly TableFeatures[] }
  | ExperimenterPart
  | RawPart;

/** What a reply tells. */
export type ReplyBody =
  | ({ readonly part: 'desc' } & SwitchDesc)
  | { readonly part: 'flow'; readonly flows: readonly FlowStats[] }
  | ({ readonly part: 'aggregate' } & AggregateStats)
  | { readonly part: 'table'; readonly tables: readonly TableStats[] }
  | { readonly part: 'port-stats'; readonly ports: readonly PortStats[] }
  | { readonly part: 'queue-stats'; readonly queues: readonly QueueStats[] }
  | { readonly part: 'group-stats'; readonly groups: readonly GroupStats[] }
  | { readonly part: 'group-desc'; readonly groups: readonly GroupDesc[] }
  | ({ readonly part: 'group-features' } & GroupFeatures)
  | { readonly part: 'meter-stats'; readonly meters: readonly MeterStats[] }
  | { readonly part: 'meter-config'; readonly meters: readonly MeterConfig[] }
  | ({ readonly part: 'meter-features' } & MeterFeatures)
  | { readonly part: 'table-features'; readonly tables: readonly TableFeatures[] }
  | { readonly part: 'port-desc'; readonly ports: readonly Port[] }
  | ExperimenterPart
  | RawPart;

/** The name of a part, such as 'port-desc'. */
export type PartName = Exclude<ReplyBody['part'], 'raw'>;

/** The member of a union of bodies that has `P` among its parts. */
type OfPart<P, B> = B extends { readonly part: unknown } ? (P extends B['part'] ? B : never) : never;

/** How a body is written and read behind its part's number. */
interface BodyCodec<B> {
  write(writer: Writer, body: B): void;
  read(cursor: Cursor): Omit<B, 'part'>;
}

interface PartCodec<P extends PartName> {
  /** enum ofp_multipart_type (7.3.5). */
  readonly number: number;
  readonly request: BodyCodec<OfPart<P, RequestBody>>;
  readonly reply: BodyCodec<OfPart<P, ReplyBody>>;
}

/** A request that is its part and nothing more. */
const NOTHING = { write: () => undefined, read: () => ({}) };

const FILTER: BodyCodec<OfPart<'flow', RequestBody>> = { write: writeFlowFilter, read: readFlowFilter };

/** A request for one thing by number, or for all. */
function byNumber<K extends string>(key: K): BodyCodec<{ readonly [N in K]: number }> {
  return {
    write(writer, body) {
      writer.u32(body[key], key);
      writer.pad(4);
    },
    read(cursor) {
      const number = cursor.u32();
      cursor.skip(4);
      return { [key]: number } as Record<K, number>;
    },
  };
}

/** A reply that is a list up to its end. */
function listOf<K extends string, T>(
  key: K,
  writeOne: (writer: Writer, one: T) => void,
  readOne: (cursor: Cursor) => T,
): BodyCodec<{ readonly [N in K]: readonly T[] }> {
  return {
    write(writer, body) {
      for (const one of body[key]) writeOne(writer, one);
    },
    read: (cursor) => ({ [key]: readAll(cursor, readOne) }) as Record<K, T[]>,
  };
}

const EXPERIMENTER: BodyCodec<ExperimenterPart> = {
  write(writer, body) {
    writer.u32(body.experimenter, 'experimenter');
    writer.u32(body.experimenterType, 'experimenterType');
    writer.bytes(body.data);
  },
  read: (cursor) => ({ experimenter: cursor.u32(), experimenterType: cursor.u32(), data: cursor.rest() }),
};

const TABLE_FEATURES = listOf('tables', writeTableFeatures, readTableFeatures);

/** One row for each part, so that a part without a codec does not compile. */
export const PARTS: { readonly [P in PartName]: PartCodec<P> } = {
  desc: { number: 0, request: NOTHING, reply: { write: writeSwitchDesc, read: readSwitchDesc } },
  flow: { number: 1, request: FILTER, reply: listOf('flows', writeFlowStats, readFlowStats) },
  aggregate: { number: 2, request: FILTER, reply: { write: writeAggregateStats, read: readAggregateStats } },
  table: { number: 3, request: NOTHING, reply: listOf('tables', writeTableStats, readTableStats) },
  'port-stats': { number: 4, request: byNumber('portNo'), reply: listOf('ports', writePortStats, readPortStats) },
  'queue-stats': {
    number: 5,
    request: { write: writeQueueFilter, read: readQueueFilter },
    reply: listOf('queues', writeQueueStats, readQueueStats),
  },
  'group-stats': { number: 6, request: byNumber('groupId'), reply: listOf('groups', writeGroupStats, readGroupStats) },
  'group-desc': { number: 7, request: NOTHING, reply: listOf('groups', writeGroupDesc, readGroupDesc) },
  'group-features': { number: 8, request: NOTHING, reply: { write: writeGroupFeatures, read: readGroupFeatures } },
  'meter-stats': { number: 9, request: byNumber('meterId'), reply: listOf('meters', writeMeterStats, readMeterStats) },
  'meter-config': {
    number: 10,
    request: byNumber('meterId'),
    reply: listOf('meters', writeMeterConfig, readMeterConfig),
  },
  'meter-features': { number: 11, request: NOTHING, reply: { write: writeMeterFeatures, read: readMeterFeatures } },
  'table-features': { number: 12, request: TABLE_FEATURES, reply: TABLE_FEATURES },
  'port-desc': { number: 13, request: NOTHING, reply: listOf('ports', writePort, readPort) },
  experimenter: { number: 0xffff, request: EXPERIMENTER, reply: EXPERIMENTER },
};
