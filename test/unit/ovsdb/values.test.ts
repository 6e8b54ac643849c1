// Values of columns there and back, what a server may write in two ways, and what is refused.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JsonValue } from '../../../sdnd/ovsdb/json.ts';
import { decodeRow, encodeRow } from '../../../sdnd/ovsdb/table.ts';
import { BridgeTable, ControllerTable, InterfaceTable } from '../../../sdnd/ovsdb/tables.ts';
import { BadValue, type ColumnType, decodeValue, encodeValue, uuidOf } from '../../../sdnd/ovsdb/values.ts';

const A = '0a000000-0000-4000-8000-00000000000a';
const B = '0b000000-0000-4000-8000-00000000000b';

const UUIDS = { form: 'set', key: 'uuid' } as const;
const NUMBER = { form: 'optional', key: 'integer' } as const;
const MAP = { form: 'map', key: 'string', value: 'integer' } as const;

function isBadValue(error: unknown): boolean {
  return error instanceof BadValue;
}

test('what is written is what is read', () => {
  const there = <C extends ColumnType>(type: C, value: Parameters<typeof encodeValue<C>>[1]): void =>
    assert.equal(decodeValue(type, encodeValue(type, value)), value);
  there(UUIDS, [uuidOf(A), uuidOf(B)]);
  there(UUIDS, []);
  there(NUMBER, 7);
  there(NUMBER, undefined);
  there(MAP, new Map([['a', 1]]));
  there({ form: 'one', key: 'boolean' }, false);
  there({ form: 'one', key: 'real' }, 0.5);
});

test('a set of one may be written without its set, order and doubles say nothing', () => {
  assert.equal(decodeValue(UUIDS, ['uuid', A]), [A]);
  assert.equal(
    decodeValue(UUIDS, [
      'set',
      [
        ['uuid', B],
        ['uuid', A],
        ['uuid', B],
      ],
    ]),
    [A, B],
  );
  assert.is(decodeValue(NUMBER, 5), 5);
  assert.is(decodeValue(NUMBER, ['set', [5]]), 5);
});

test('a row of the same transaction is written by its name', () => {
  assert.equal(encodeValue(UUIDS, [uuidOf(A), { named: 'row1' }]), [
    'set',
    [
      ['uuid', A],
      ['named-uuid', 'row1'],
    ],
  ]);
});

test('a value of another type is refused with what it is', () => {
  const bad: [ColumnType, JsonValue][] = [
    [UUIDS, ['set', [A]]],
    [UUIDS, ['set', 5]],
    [UUIDS, ['uuid', 'row1']],
    [UUIDS, ['uuid', A.toUpperCase()]],
    [NUMBER, 'five'],
    [NUMBER, 0.5],
    [NUMBER, 2 ** 53],
    [NUMBER, ['set', [1, 2]]],
    [NUMBER, null],
    [MAP, ['map', [['a']]]],
    [MAP, ['map', [[1, 1]]]],
    [MAP, { a: 1 }],
    [{ form: 'one', key: 'string' }, ['set', []]],
    [{ form: 'one', key: 'boolean' }, 1],
  ];
  for (const [type, json] of bad) assert.throws(() => decodeValue(type, json), isBadValue, JSON.stringify(json));
});

test('a row needs each column that its table declares, and its fault names the column', () => {
  const whole = {
    target: 'tcp:10.0.0.1',
    is_connected: true,
    role: 'master',
    connection_mode: ['set', []],
    max_backoff: 1000,
    inactivity_probe: ['set', []],
    external_ids: ['map', []],
  } as const;
  const row = decodeRow(ControllerTable, uuidOf(A), whole);
  assert.is(row._uuid, A);
  assert.is(row.connection_mode, undefined);
  assert.is(row.max_backoff, 1000);
  const { role: _, ...less } = whole;
  assert.throws(() => decodeRow(ControllerTable, uuidOf(A), less), /a row of Controller has no role/);
  const wrong = { ...whole, max_backoff: 'x' };
  assert.throws(() => decodeRow(ControllerTable, uuidOf(A), wrong), /Controller.max_backoff: "x" is no integer/);
});

test('only the columns that are given are written', () => {
  assert.equal(encodeRow(BridgeTable, { fail_mode: 'secure', ports: [] }), { fail_mode: 'secure', ports: ['set', []] });
  assert.equal(encodeRow(InterfaceTable, { ofport_request: undefined }), { ofport_request: ['set', []] });
});

test.run();
