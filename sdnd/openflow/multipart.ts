// Multipart requests and replies: one message type each way, told apart by their part. Must not join the messages of one
// reply: that needs memory across messages and belongs to the connection.

import type { MessageCodec } from './codec.ts';
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
import { type Port, readPort, writePort } from './ports.ts';
import {
  type PortStats,
  readPortStats,
  readSwitchDesc,
  type SwitchDesc,
  writePortStats,
  writeSwitchDesc,
} from './switch-stats.ts';
import type { Writer } from './writer.ts';

/** A part without a type here, uninterpreted. */
export interface RawPart {
  readonly part: 'raw';
  /** Number of enum ofp_multipart_type. */
  readonly partNumber: number;
  readonly body: Uint8Array;
}

type RequestBody =
  | { readonly part: 'desc' | 'table' | 'port-desc' }
  | ({ readonly part: 'flow' | 'aggregate' } & FlowFilter)
  | { readonly part: 'port-stats'; readonly portNo: number }
  | RawPart;

type ReplyBody =
  | ({ readonly part: 'desc' } & SwitchDesc)
  | { readonly part: 'flow'; readonly flows: readonly FlowStats[] }
  | ({ readonly part: 'aggregate' } & AggregateStats)
  | { readonly part: 'table'; readonly tables: readonly TableStats[] }
  | { readonly part: 'port-stats'; readonly ports: readonly PortStats[] }
  | { readonly part: 'port-desc'; readonly ports: readonly Port[] }
  | RawPart;

/** Asks for what may not fit one message (OpenFlow 1.3.5, 7.3.5). `more`: the request goes on in another message. */
export type MultipartRequest = { readonly type: 'multipart-request'; readonly more: boolean } & RequestBody;

/** One message of an answer; the answer ends with the message of the same xid whose `more` is false (7.3.5). */
export type MultipartReply = { readonly type: 'multipart-reply'; readonly more: boolean } & ReplyBody;

type PartName = Exclude<RequestBody['part'], 'raw'>;

// enum ofp_multipart_type (7.3.5).
const PART_NUMBER: { readonly [P in PartName]: number } = {
  desc: 0,
  flow: 1,
  aggregate: 2,
  table: 3,
  'port-stats': 4,
  'port-desc': 13,
};

const PART_OF_NUMBER: ReadonlyMap<number, PartName> = new Map(
  (Object.keys(PART_NUMBER) as PartName[]).map((part) => [PART_NUMBER[part], part]),
);

/** OFPMPF_REQ_MORE and OFPMPF_REPLY_MORE. */
const MORE_FLAG = 1;

export const multipartRequestCodec: MessageCodec<MultipartRequest> = {
  wireType: 18,
  write(writer, message) {
    writeHead(writer, message);
    writeRequestBody(writer, message);
  },
  read(cursor) {
    const { partNumber, more } = readHead(cursor);
    return { type: 'multipart-request', more, ...readRequestBody(cursor, partNumber) };
  },
};

export const multipartReplyCodec: MessageCodec<MultipartReply> = {
  wireType: 19,
  write(writer, message) {
    writeHead(writer, message);
    writeReplyBody(writer, message);
  },
  read(cursor) {
    const { partNumber, more } = readHead(cursor);
    return { type: 'multipart-reply', more, ...readReplyBody(cursor, partNumber) };
  },
};

function writeHead(writer: Writer, message: MultipartRequest | MultipartReply): void {
  writer.u16(message.part === 'raw' ? message.partNumber : PART_NUMBER[message.part], 'part');
  writer.u16(message.more ? MORE_FLAG : 0, 'flags');
  writer.pad(4);
}

function readHead(cursor: Cursor): { partNumber: number; more: boolean } {
  const partNumber = cursor.u16();
  const more = (cursor.u16() & MORE_FLAG) !== 0;
  cursor.skip(4);
  return { partNumber, more };
}

function writeRequestBody(writer: Writer, message: RequestBody): void {
  switch (message.part) {
    case 'flow':
    case 'aggregate':
      writeFlowFilter(writer, message);
      break;
    case 'port-stats':
      writer.u32(message.portNo, 'portNo');
      writer.pad(4);
      break;
    case 'raw':
      writer.bytes(message.body);
      break;
    case 'desc':
    case 'table':
    case 'port-desc':
      break;
  }
}

function readRequestBody(cursor: Cursor, partNumber: number): RequestBody {
  const part = PART_OF_NUMBER.get(partNumber);
  switch (part) {
    case 'flow':
    case 'aggregate':
      return { part, ...readFlowFilter(cursor) };
    case 'port-stats':
      return { part, portNo: readPortStatsRequest(cursor) };
    case undefined:
      return { part: 'raw', partNumber, body: cursor.rest() };
    default:
      return { part };
  }
}

function readPortStatsRequest(cursor: Cursor): number {
  const portNo = cursor.u32();
  cursor.skip(4);
  return portNo;
}

function writeReplyBody(writer: Writer, message: ReplyBody): void {
  switch (message.part) {
    case 'desc':
      writeSwitchDesc(writer, message);
      break;
    case 'flow':
      for (const flow of message.flows) writeFlowStats(writer, flow);
      break;
    case 'aggregate':
      writeAggregateStats(writer, message);
      break;
    case 'table':
      for (const table of message.tables) writeTableStats(writer, table);
      break;
    case 'port-stats':
      for (const port of message.ports) writePortStats(writer, port);
      break;
    case 'port-desc':
      for (const port of message.ports) writePort(writer, port);
      break;
    case 'raw':
      writer.bytes(message.body);
      break;
  }
}

function readReplyBody(cursor: Cursor, partNumber: number): ReplyBody {
  const part = PART_OF_NUMBER.get(partNumber);
  switch (part) {
    case 'desc':
      return { part, ...readSwitchDesc(cursor) };
    case 'flow':
      return { part, flows: readAll(cursor, readFlowStats) };
    case 'aggregate':
      return { part, ...readAggregateStats(cursor) };
    case 'table':
      return { part, tables: readAll(cursor, readTableStats) };
    case 'port-stats':
      return { part, ports: readAll(cursor, readPortStats) };
    case 'port-desc':
      return { part, ports: readAll(cursor, readPort) };
    case undefined:
      return { part: 'raw', partNumber, body: cursor.rest() };
  }
}

function readAll<T>(cursor: Cursor, read: (cursor: Cursor) => T): T[] {
  const all: T[] = [];
  while (cursor.left > 0) all.push(read(cursor));
  return all;
}
