// Operations as they go over the wire, their answers as they are read, the picture of a database that updates make, and the
// comparison of schemas.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { JsonObject, JsonValue } from '../../../sdnd/ovsdb/json.ts';
import {
  abort,
  assertLock,
  comment,
  commit,
  deleteRows,
  insert,
  isRow,
  mutate,
  mutation,
  removal,
  select,
  update,
  waitFor,
  where,
} from '../../../sdnd/ovsdb/operations.ts';
import { Replica } from '../../../sdnd/ovsdb/replica.ts';
import { resultsOf, rowsOf, TransactionFailed } from '../../../sdnd/ovsdb/results.ts';
import { schemaFaults } from '../../../sdnd/ovsdb/schema-check.ts';
import { references, table, textMap } from '../../../sdnd/ovsdb/table.ts';
import { BridgeTable, ManagerTable, OpenVswitchTable } from '../../../sdnd/ovsdb/tables.ts';
import { BadValue, uuidOf } from '../../../sdnd/ovsdb/values.ts';

const A = uuidOf('0a000000-0000-4000-8000-00000000000a');
const MANAGER = {
  target: 'ptcp:6640',
  connection_mode: ['set', []],
  is_connected: false,
  external_ids: ['map', []],
} as const;

function failureOf(answers: JsonValue): TransactionFailed {
  const operations = [insert(ManagerTable, { target: 'x' }, 'm'), comment('c')];
  try {
    resultsOf(operations, answers);
  } catch (error) {
    if (error instanceof TransactionFailed) return error;
    throw error;
  }
  throw new Error('nothing failed');
}

function isBadValue(error: unknown): boolean {
  return error instanceof BadValue;
}

test('each operation is written as RFC 7047, 5.2, says', () => {
  const bridges = mutation(OpenVswitchTable, 'bridges', 'insert', [{ named: 'b' }]);
  assert.equal(insert(BridgeTable, { name: 'br0', external_ids: new Map([['a', 'b']]) }, 'b'), {
    ...{ op: 'insert', table: 'Bridge', 'uuid-name': 'b' },
    row: { name: 'br0', external_ids: ['map', [['a', 'b']]] },
  });
  assert.equal(mutate(OpenVswitchTable, [], [bridges, mutation(OpenVswitchTable, 'next_cfg', '+=', 1)]), {
    ...{ op: 'mutate', table: 'Open_vSwitch', where: [] },
    mutations: [
      ['bridges', 'insert', ['set', [['named-uuid', 'b']]]],
      ['next_cfg', '+=', 1],
    ],
  });
  assert.equal(removal(OpenVswitchTable, 'bridges', [A]).json, ['bridges', 'delete', ['set', [['uuid', A]]]]);
  assert.equal(removal(BridgeTable, 'external_ids', ['a']).json, ['external_ids', 'delete', ['set', ['a']]]);
  assert.equal(update(BridgeTable, [isRow(A), where(BridgeTable, 'name', '!=', 'br1')], { fail_mode: undefined }), {
    ...{ op: 'update', table: 'Bridge', row: { fail_mode: ['set', []] } },
    where: [
      ['_uuid', '==', ['uuid', A]],
      ['name', '!=', 'br1'],
    ],
  });
  assert.equal(deleteRows(ManagerTable, []), { op: 'delete', table: 'Manager', where: [] });
  assert.equal(select(ManagerTable).columns, ['_uuid', 'target', 'connection_mode', 'is_connected', 'external_ids']);
  const expected = { columns: ['name'], until: '==', rows: [{ name: 'br0' }], timeoutMs: 5 } as const;
  assert.equal(waitFor(BridgeTable, [], expected), {
    ...{ op: 'wait', timeout: 5, table: 'Bridge', where: [], columns: ['name'], until: '==' },
    rows: [{ name: 'br0' }],
  });
  assert.equal(
    [commit(true), abort(), comment('c'), assertLock('l')],
    [{ op: 'commit', durable: true }, { op: 'abort' }, { op: 'comment', comment: 'c' }, { op: 'assert', lock: 'l' }],
  );
});

test('answers are read by what was asked', () => {
  const operations = [
    insert(ManagerTable, {}),
    select(ManagerTable),
    update(ManagerTable, [], {}),
    mutate(ManagerTable, [], []),
    deleteRows(ManagerTable, []),
    comment('c'),
  ];
  const rows = [{ ...MANAGER, _uuid: ['uuid', A] }] as const;
  const results = resultsOf(operations, [
    { uuid: ['uuid', A] },
    { rows },
    { count: 1 },
    { count: 2 },
    { count: 0 },
    {},
  ]);
  assert.equal(
    results.map(({ count }) => count),
    [undefined, undefined, 1, 2, 0, undefined],
  );
  assert.is(results[0]?.uuid, A);
  assert.is(rowsOf(ManagerTable, results[1])[0]?.target, 'ptcp:6640');
});

test('a failure names the operation, or the commit', () => {
  const first = failureOf([{ error: 'constraint violation', details: 'no' }, null]);
  assert.is(first.message, 'a transaction failed at operation 0 (insert Manager): constraint violation: no');
  assert.is(first.index, 0);
  assert.is(failureOf([{}, { error: 'aborted' }]).message, 'a transaction failed at operation 1 (comment): aborted');
  const late = failureOf([{}, {}, { error: 'referential integrity violation', details: 5 }]);
  assert.is(late.message, 'a transaction failed at the commit: referential integrity violation');
  assert.is(late.index, undefined);
  assert.is(late.code, 'OVSDB_REFUSED');
});

test('answers that do not fit their operations are rubbish', () => {
  const one = [insert(ManagerTable, {})];
  for (const answer of [null, {}, [], [{}], [null], [{ uuid: 'x' }], [{ uuid: ['uuid', A] }, {}]]) {
    assert.throws(() => resultsOf(one, answer), isBadValue, JSON.stringify(answer));
  }
  assert.throws(() => resultsOf([select(ManagerTable)], [{ rows: [5] }]), isBadValue);
  assert.throws(() => resultsOf([deleteRows(ManagerTable, [])], [{ count: 'x' }]), isBadValue);
  assert.throws(() => rowsOf(ManagerTable, { rows: [{ ...MANAGER }] }), isBadValue);
});

test('updates make, change and end rows; a bad one changes nothing', () => {
  const replica = new Replica([ManagerTable]);
  replica.apply({ Manager: { [A]: { new: MANAGER } } });
  assert.is(replica.rows(ManagerTable).get(A)?.target, 'ptcp:6640');
  const B = uuidOf('0b000000-0000-4000-8000-00000000000b');
  const bad: JsonObject[] = [
    { Manager: { [B]: { new: MANAGER }, [A]: { new: { ...MANAGER, target: 5 } } } },
    { Manager: { [B]: { new: MANAGER }, x: { new: MANAGER } } },
    { Manager: { [B]: { new: MANAGER }, [A]: {} } },
    { Manager: { [B]: { new: MANAGER } }, Bridge: {} },
    { Manager: [] },
  ];
  for (const tables of bad) assert.throws(() => replica.apply(tables), isBadValue, JSON.stringify(tables));
  assert.is(replica.rows(ManagerTable).size, 1);
  replica.apply({ Manager: { [A]: { old: { target: 'ptcp:6640' }, new: { ...MANAGER, target: 'x' } } } });
  assert.is(replica.rows(ManagerTable).get(A)?.target, 'x');
  replica.apply({ Manager: { [A]: { old: { ...MANAGER, target: 'x' } } } });
  assert.is(replica.rows(ManagerTable).size, 0);
});

test('a schema that lacks what is used, or means something else by it, is told column by column', () => {
  const mine = table('T', { rows: references('U'), ids: textMap, gone: { form: 'one', key: 'string' } });
  const columns = {
    rows: { type: { key: { type: 'uuid', refTable: 'U' }, min: 0, max: 'unlimited' } },
    ids: { type: { key: 'string', value: { type: 'string' }, min: 0, max: 'unlimited' } },
    gone: { type: 'string' },
    more: { type: 'real' },
  };
  assert.equal(schemaFaults({ tables: { T: { columns } } }, [mine]), []);
  const { gone: _, ...fewer } = columns;
  const other = { type: { key: { type: 'uuid', refTable: 'V' }, min: 0, max: 1 } };
  assert.equal(schemaFaults({ tables: { T: { columns: { ...fewer, rows: other } } } }, [mine]), [
    'T.rows is optional of uuid of V, not set of uuid of U',
    'there is no column T.gone',
  ]);
  assert.equal(schemaFaults({ tables: {} }, [mine]), ['there is no table T']);
  assert.equal(schemaFaults({}, [mine]), ['there is no table T']);
});

test.run();
