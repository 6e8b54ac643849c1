// What a server says, changed at random in its bytes and in its structure: told, refused with a reason, or the end of the
// connection, and never another exception; what was taken before stays whole.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isList, isObject, type JsonObject, type JsonValue } from '../../../sdnd/ovsdb/json.ts';
import { insert, mutate, type Operation, select } from '../../../sdnd/ovsdb/operations.ts';
import { OvsdbSession, type SessionEvent } from '../../../sdnd/ovsdb/ovsdb-session.ts';
import { Replica } from '../../../sdnd/ovsdb/replica.ts';
import { resultsOf, rowsOf, TransactionFailed } from '../../../sdnd/ovsdb/results.ts';
import { schemaFaults } from '../../../sdnd/ovsdb/schema-check.ts';
import { encodeRow } from '../../../sdnd/ovsdb/table.ts';
import { BridgeTable, ManagerTable, TABLES } from '../../../sdnd/ovsdb/tables.ts';
import { BadValue, uuidOf } from '../../../sdnd/ovsdb/values.ts';
import { planConfig } from '../../../sdnd/switch-config/config-plan.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { chunksOf } from './random-json.ts';

const A = uuidOf('0a000000-0000-4000-8000-00000000000a');
const B = uuidOf('0b000000-0000-4000-8000-00000000000b');
const BRIDGE = encodeRow(BridgeTable, {
  ...{ name: 'br-int', datapath_type: 'netdev', datapath_id: '0000aabbccddeeff', fail_mode: 'secure' },
  ...{
    protocols: ['OpenFlow13'],
    ports: [A, B],
    controller: [],
    other_config: new Map(),
    external_ids: new Map([['a', 'b']]),
  },
});
const MANAGER = encodeRow(ManagerTable, {
  ...{ target: 'ptcp:6640', connection_mode: undefined, is_connected: false, external_ids: new Map() },
});
const SCHEMA = {
  name: 'Open_vSwitch',
  tables: {
    Manager: {
      columns: {
        target: { type: 'string' },
        connection_mode: { type: { key: { type: 'string', enum: ['set', ['in-band']] }, min: 0, max: 1 } },
      },
    },
  },
};
const OPERATIONS: readonly Operation[] = [insert(ManagerTable, {}), mutate(BridgeTable, [], []), select(ManagerTable)];

/** A connection's life, as a server tells it. */
const STREAM: readonly JsonObject[] = [
  { id: 1, result: SCHEMA, error: null },
  { id: 2, result: { Bridge: { [A]: { new: BRIDGE } }, Manager: { [B]: { new: MANAGER } } }, error: null },
  { method: 'echo', params: [], id: 'echo' },
  { id: 3, result: [{ uuid: ['uuid', A] }, { count: 1 }, { rows: [{ ...MANAGER, _uuid: ['uuid', B] }] }], error: null },
  { method: 'update', params: ['m', { Bridge: { [A]: { old: { name: 'x' }, new: BRIDGE } } }], id: null },
  { id: 4, result: [{ error: 'constraint violation', details: 'no' }, null], error: null },
  { method: 'update', params: ['m', { Manager: { [B]: { old: MANAGER } } }], id: null },
  { method: 'locked', params: ['l'], id: null },
];

const ODD: readonly JsonValue[] = [
  null,
  -1,
  2 ** 60,
  '',
  'set',
  [],
  {},
  ['set', [['uuid', A]]],
  ['map', [[1, 2]]],
  ['uuid', ''],
];

/** One node of the value replaced, left out or doubled. */
function changed(random: () => number, value: JsonValue): JsonValue {
  const pick = <T>(values: readonly T[]): T | undefined => values[Math.floor(random() * values.length)];
  if (random() < 0.15 || !(isList(value) || isObject(value))) return pick(ODD) ?? null;
  if (isList(value)) {
    const at = Math.floor(random() * value.length);
    if (random() < 0.1) return [...value, value[at] ?? null];
    return value.map((one, index) => (index === at ? changed(random, one) : one));
  }
  const name = pick(Object.keys(value));
  if (name === undefined) return pick(ODD) ?? null;
  const { [name]: one, ...rest } = value;
  if (random() < 0.1) return rest;
  if (random() < 0.1) return { ...rest, [`${name}x`]: one ?? null };
  return { ...rest, [name]: changed(random, one ?? null) };
}

function streamOf(random: () => number): Uint8Array {
  const victim = Math.floor(random() * STREAM.length);
  const inStructure = random() < 0.6;
  const messages = STREAM.map((one, at) => (inStructure && at === victim ? changed(random, one) : one));
  const bytes = new TextEncoder().encode(messages.map((one) => JSON.stringify(one)).join(''));
  if (inStructure) return bytes;
  for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips--) {
    bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  }
  return random() < 0.2 ? bytes.subarray(0, Math.floor(random() * bytes.length)) : bytes;
}

/** Takes events as the keeper of a switch does. Answers how the connection ended. */
function listen(session: OvsdbSession, replica: Replica, events: readonly SessionEvent[]): string {
  for (const event of events) {
    if (event.kind === 'close') return event.reason;
    try {
      if (event.kind === 'update') replica.apply(event.tables);
      if (event.kind === 'answer') answered(replica, event.request, event.result);
    } catch (error) {
      if (error instanceof TransactionFailed) continue;
      if (error instanceof BadValue) return error.message;
      throw error;
    }
  }
  assert.not.ok(session.isClosed);
  return '';
}

function answered(replica: Replica, request: number, result: JsonValue): void {
  if (request <= 2 && !isObject(result)) throw new BadValue('no object');
  if (request === 1 && isObject(result)) schemaFaults(result, TABLES);
  if (request === 2 && isObject(result)) replica.apply(result);
  if (request > 2) rowsOf(ManagerTable, resultsOf(OPERATIONS, result).at(-1));
}

test('changed answers are told or refused, and never an exception of another kind', () => {
  const random = seededRandom(fuzzSeed());
  const ends = new Map<string, number>();
  for (let round = 0; round < fuzzInputs(10_000); round++) {
    const session = new OvsdbSession(0, { bytesMax: 10_000, depthMax: 16 });
    const replica = new Replica(TABLES);
    for (let request = 0; request < 4; request++) session.request('x', [], 0);
    let end = '';
    for (const chunk of chunksOf(random, streamOf(random))) {
      end = listen(session, replica, session.receive(chunk, 0));
      if (end !== '') break;
    }
    // Whatever was believed can be planned from.
    planConfig({ owner: 'agent', bridges: [] }, replica);
    const kind = /^[a-z- ]+/i.exec(end)?.[0] ?? 'none';
    ends.set(kind, (ends.get(kind) ?? 0) + 1);
  }
  assert.ok((ends.get('none') ?? 0) > 0, 'some went on');
  assert.ok((ends.get('not-json') ?? 0) > 0, 'some were no JSON');
  assert.ok(ends.size > 10, 'ends of many kinds');
});

test('the stream as it is goes on to its end', () => {
  const session = new OvsdbSession(0);
  const replica = new Replica(TABLES);
  for (let request = 0; request < 4; request++) session.request('x', [], 0);
  const bytes = new TextEncoder().encode(STREAM.map((one) => JSON.stringify(one)).join(''));
  const events = session.receive(bytes, 0);
  assert.is(listen(session, replica, events), '');
  assert.is(events.length, STREAM.length);
  assert.is(replica.rows(BridgeTable).get(A)?.name, 'br-int');
  assert.is(replica.rows(ManagerTable).size, 0);
});

test.run();
