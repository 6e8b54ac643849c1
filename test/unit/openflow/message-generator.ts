// Random messages of every type, each field over its whole range.
import type { Message, MessageType } from '@openflow/ofp';
import type { Random } from './random.ts';
import { randomActions } from './random-actions.ts';
import { asyncReasons, EXTENSION_MAKERS } from './random-extensions.ts';
import { randomEth } from './random-field.ts';
import { randomInstructions, randomMatch } from './random-match.ts';
import { REPLIES, REQUESTS, randomFilter, randomPort } from './random-parts.ts';
import { GROUP_TYPES, randomBands, randomBuckets, randomQueue } from './random-stats.ts';

// One maker for each type, so that a message type without a test does not compile.
const MAKERS: { readonly [T in MessageType]: (random: Random) => Message & { readonly type: T } } = {
  hello: (r) => ({ type: 'hello', versions: [1, 4, 5, 6, 31, 32, 200].filter(() => r.chance(0.5)) }),
  error: (r) =>
    r.chance(0.2)
      ? { type: 'error', errorType: 0xffff, errorCode: r.bits(16), experimenter: r.bits(32), data: r.bytes(64) }
      : { type: 'error', errorType: r.below(14), errorCode: r.bits(16), data: r.bytes(r.below(80)) },
  'echo-request': (r) => ({ type: 'echo-request', data: r.bytes(r.below(50)) }),
  'echo-reply': (r) => ({ type: 'echo-reply', data: r.bytes(r.below(50)) }),
  experimenter: (r) => ({
    type: 'experimenter',
    experimenter: r.bits(32),
    experimenterType: r.bits(32),
    data: r.bytes(r.below(50)),
  }),
  'features-request': () => ({ type: 'features-request' }),
  'features-reply': (r) => ({
    type: 'features-reply',
    datapathId: r.bigBits(64),
    bufferCount: r.bits(32),
    tableCount: r.bits(8),
    auxiliaryId: r.bits(8),
    capabilities: r.bits(32),
  }),
  'get-config-request': () => ({ type: 'get-config-request' }),
  'get-config-reply': (r) => ({ type: 'get-config-reply', flags: r.bits(16), missSendBytes: r.bits(16) }),
  'set-config': (r) => ({ type: 'set-config', flags: r.bits(16), missSendBytes: r.bits(16) }),
  'packet-in': (r) => ({
    type: 'packet-in',
    bufferId: r.bits(32),
    totalBytes: r.bits(16),
    reason: r.pick(['no-match', 'action', 'invalid-ttl']),
    tableId: r.bits(8),
    cookie: r.bigBits(64),
    match: randomMatch(r),
    data: r.bytes(r.below(200)),
  }),
  'flow-removed': (r) => ({
    type: 'flow-removed',
    cookie: r.bigBits(64),
    priority: r.bits(16),
    reason: r.pick(['idle-timeout', 'hard-timeout', 'delete', 'group-delete', 'meter-delete']),
    tableId: r.bits(8),
    durationSec: r.bits(32),
    durationNsec: r.bits(32),
    idleTimeoutSec: r.bits(16),
    hardTimeoutSec: r.bits(16),
    packetCount: r.bigBits(64),
    byteCount: r.bigBits(64),
    match: randomMatch(r),
  }),
  'port-status': (r) => ({ type: 'port-status', reason: r.pick(['add', 'delete', 'modify']), port: randomPort(r) }),
  'packet-out': (r) => ({
    type: 'packet-out',
    bufferId: r.bits(32),
    inPort: r.bits(32),
    actions: randomActions(r),
    data: r.bytes(r.below(200)),
  }),
  'flow-mod': (r) => ({
    type: 'flow-mod',
    command: r.pick(['add', 'modify', 'modify-strict', 'delete', 'delete-strict']),
    ...randomFilter(r),
    instructions: randomInstructions(r),
    priority: r.bits(16),
    idleTimeoutSec: r.bits(16),
    hardTimeoutSec: r.bits(16),
    bufferId: r.bits(32),
    flags: r.bits(16),
  }),
  'group-mod': (r) => ({
    type: 'group-mod',
    command: r.pick(['add', 'modify', 'delete']),
    groupType: r.pick(GROUP_TYPES),
    groupId: r.bits(32),
    buckets: randomBuckets(r),
  }),
  'port-mod': (r) => ({
    type: 'port-mod',
    portNo: r.bits(32),
    hwAddress: randomEth(r),
    config: r.bits(32),
    mask: r.bits(32),
    advertise: r.bits(32),
  }),
  'table-mod': (r) => ({ type: 'table-mod', tableId: r.bits(8), config: r.bits(32) }),
  'multipart-request': (r) => r.pick(REQUESTS)(r, r.chance(0.2)),
  'multipart-reply': (r) => r.pick(REPLIES)(r, r.chance(0.2)),
  'barrier-request': () => ({ type: 'barrier-request' }),
  'barrier-reply': () => ({ type: 'barrier-reply' }),
  'role-request': (r) => ({
    type: 'role-request',
    role: r.pick(['no-change', 'equal', 'master', 'slave']),
    generationId: r.bigBits(64),
  }),
  'role-reply': (r) => ({
    type: 'role-reply',
    role: r.pick(['equal', 'master', 'slave']),
    generationId: r.bigBits(64),
  }),
  'get-async-request': () => ({ type: 'get-async-request' }),
  'queue-get-config-request': (r) => ({ type: 'queue-get-config-request', portNo: r.bits(32) }),
  'queue-get-config-reply': (r) => ({
    type: 'queue-get-config-reply',
    portNo: r.bits(32),
    queues: r.list(4, () => randomQueue(r)),
  }),
  'get-async-reply': (r) => ({ type: 'get-async-reply', ...asyncReasons(r) }),
  'set-async': (r) => ({ type: 'set-async', ...asyncReasons(r) }),
  'meter-mod': (r) => ({
    type: 'meter-mod',
    command: r.pick(['add', 'modify', 'delete']),
    flags: r.bits(16),
    meterId: r.bits(32),
    bands: randomBands(r),
  }),
  ...EXTENSION_MAKERS,
};

export const MESSAGE_TYPES = Object.keys(MAKERS) as MessageType[];

/** A random message of one type. */
export function randomMessage(random: Random, type: MessageType): Message {
  return MAKERS[type](random);
}
