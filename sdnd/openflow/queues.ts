// Queues of ports: the queue-get-config messages and the statistics of queues. Queues are set up by other means.

import { type MessageCodec, readAll } from './codec.ts';
import type { Cursor } from './cursor.ts';
import type { Writer } from './writer.ts';

/** Queue number that stands for every queue of a port, OFPQ_ALL (OpenFlow 1.3.5, 7.2.2). */
export const QUEUE_ALL = 0xffffffff;

/** A rate in tenths of a percent of the port's, over 1000 for none. */
export interface QueueRate {
  readonly type: 'min-rate' | 'max-rate';
  readonly rate: number;
}

/** Another experimenter's property, uninterpreted. */
export interface QueueExperimenter {
  readonly type: 'experimenter';
  readonly experimenter: number;
  readonly data: Uint8Array;
}

/** A property of a queue (7.2.2). */
export type QueueProperty = QueueRate | QueueExperimenter;

/** A queue of a port, struct ofp_packet_queue (7.2.2). */
export interface Queue {
  readonly queueId: number;
  readonly portNo: number;
  readonly properties: readonly QueueProperty[];
}

/** Asks for the queues of a port, of every port by PortNumber.any (7.3.6). */
export interface QueueConfigRequest {
  readonly type: 'queue-get-config-request';
  readonly portNo: number;
}

/** The queues of a port (7.3.6). */
export interface QueueConfigReply {
  readonly type: 'queue-get-config-reply';
  readonly portNo: number;
  readonly queues: readonly Queue[];
}

export const queueConfigRequestCodec: MessageCodec<QueueConfigRequest> = {
  wireType: 22,
  write(writer, message) {
    writer.u32(message.portNo, 'portNo');
    writer.pad(4);
  },
  read(cursor) {
    const portNo = cursor.u32();
    cursor.skip(4);
    return { type: 'queue-get-config-request', portNo };
  },
};

export const queueConfigReplyCodec: MessageCodec<QueueConfigReply> = {
  wireType: 23,
  write(writer, message) {
    writer.u32(message.portNo, 'portNo');
    writer.pad(4);
    for (const queue of message.queues) writeQueue(writer, queue);
  },
  read(cursor) {
    const portNo = cursor.u32();
    cursor.skip(4);
    return { type: 'queue-get-config-reply', portNo, queues: readAll(cursor, readQueue) };
  },
};

/** Bytes of a queue in front of its properties, and of a property in front of what it says. */
const QUEUE_BYTES = 16;
const PROPERTY_BYTES = 8;

// enum ofp_queue_properties (7.2.2).
const PROPERTY_NUMBER = { 'min-rate': 1, 'max-rate': 2, experimenter: 0xffff } as const;

function writeQueue(writer: Writer, queue: Queue): void {
  const start = writer.at;
  writer.u32(queue.queueId, 'queueId');
  writer.u32(queue.portNo, 'portNo');
  const length = writer.length();
  writer.pad(6);
  for (const property of queue.properties) writeQueueProperty(writer, property);
  writer.setLength(length, start);
}

function writeQueueProperty(writer: Writer, property: QueueProperty): void {
  const start = writer.at;
  writer.u16(PROPERTY_NUMBER[property.type], 'queue property');
  const length = writer.length();
  writer.pad(4);
  if (property.type === 'experimenter') {
    writer.u32(property.experimenter, 'queue experimenter');
    writer.pad(4);
    writer.bytes(property.data);
  } else {
    writer.u16(property.rate, 'queue rate');
    writer.pad(6);
  }
  writer.setLength(length, start);
}

function readQueue(cursor: Cursor): Queue {
  const queueId = cursor.u32();
  const portNo = cursor.u32();
  const length = cursor.u16();
  cursor.skip(6);
  if (length < QUEUE_BYTES) throw cursor.fault('bad-size', `a queue is ${length} bytes long`);
  return { queueId, portNo, properties: readAll(cursor.part(length - QUEUE_BYTES), readQueueProperty) };
}

function readQueueProperty(cursor: Cursor): QueueProperty {
  const number = cursor.u16();
  const length = cursor.u16();
  cursor.skip(4);
  if (length < PROPERTY_BYTES) throw cursor.fault('bad-size', `a queue property is ${length} bytes long`);
  const body = cursor.part(length - PROPERTY_BYTES);
  if (number === PROPERTY_NUMBER.experimenter) {
    const experimenter = body.u32();
    body.skip(4);
    return { type: 'experimenter', experimenter, data: body.rest() };
  }
  const type = number === PROPERTY_NUMBER['min-rate'] ? 'min-rate' : 'max-rate';
  if (number !== PROPERTY_NUMBER[type]) throw cursor.fault('bad-value', `there is no queue property ${number}`);
  const rate = body.u16();
  body.skip(6);
  body.close(`queue property ${type}`);
  return { type, rate };
}

/** Which queues' statistics are asked for (7.3.5.8). */
export interface QueueFilter {
  /** PortNumber.any for every port. */
  readonly portNo: number;
  /** QUEUE_ALL for every queue. */
  readonly queueId: number;
}

/** Counters of one queue (7.3.5.8). */
export interface QueueStats {
  readonly portNo: number;
  readonly queueId: number;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  /** Packets dropped as the queue overflowed. */
  readonly txErrors: bigint;
  readonly durationSec: number;
  /** Nanoseconds beyond `durationSec`. */
  readonly durationNsec: number;
}

export function writeQueueFilter(writer: Writer, filter: QueueFilter): void {
  writer.u32(filter.portNo, 'portNo');
  writer.u32(filter.queueId, 'queueId');
}

export function readQueueFilter(cursor: Cursor): QueueFilter {
  return { portNo: cursor.u32(), queueId: cursor.u32() };
}

export function writeQueueStats(writer: Writer, queue: QueueStats): void {
  writer.u32(queue.portNo, 'portNo');
  writer.u32(queue.queueId, 'queueId');
  writer.u64(queue.txBytes, 'txBytes');
  writer.u64(queue.txPackets, 'txPackets');
  writer.u64(queue.txErrors, 'txErrors');
  writer.u32(queue.durationSec, 'durationSec');
  writer.u32(queue.durationNsec, 'durationNsec');
}

export function readQueueStats(cursor: Cursor): QueueStats {
  return {
    portNo: cursor.u32(),
    queueId: cursor.u32(),
    txBytes: cursor.u64(),
    txPackets: cursor.u64(),
    txErrors: cursor.u64(),
    durationSec: cursor.u32(),
    durationNsec: cursor.u32(),
  };
}
