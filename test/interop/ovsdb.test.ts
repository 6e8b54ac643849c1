// The OVSDB client against a real ovsdb-server: every method and operation of RFC 7047, over both kinds of address; the tables
// against the real schema; random plans judged by the real database. Needs root and Debian's openvswitch-switch.
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../common/clock.ts';
import { isObject, type JsonObject, memberOf, parseJson } from '../../sdnd/ovsdb/json.ts';
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
} from '../../sdnd/ovsdb/operations.ts';
import { OvsdbClient, type OvsdbListener, type ServerAddress } from '../../sdnd/ovsdb/ovsdb-client.ts';
import { Replica } from '../../sdnd/ovsdb/replica.ts';
import { rowsOf } from '../../sdnd/ovsdb/results.ts';
import { schemaFaults } from '../../sdnd/ovsdb/schema-check.ts';
import { BridgeTable, ManagerTable, OPEN_VSWITCH, OpenVswitchTable, TABLES } from '../../sdnd/ovsdb/tables.ts';
import { describeChange } from '../../sdnd/switch-config/config-changes.ts';
import { planConfig } from '../../sdnd/switch-config/config-plan.ts';
import { failure, within } from '../unit/common/members.ts';
import { seededRandom } from '../unit/common/seeded-random.ts';
import { Dice, randomContents, randomWanted } from '../unit/sdnd/random-switch.ts';
import { OvsdbStand, STEP_TIMEOUT_MS, schemaFile } from './ovsdb-stand.ts';

const PORT = 6640;
const ROUNDS = 60;

/** What a connection was told, in order, and the end of it. */
class Heard implements OvsdbListener {
  readonly said: string[] = [];
  readonly replica = new Replica(TABLES);
  readonly up = Promise.withResolvers<void>();
  readonly end = Promise.withResolvers<string>();
  #news = Promise.withResolvers<void>();

  connected(): void {
    this.up.resolve();
  }

  closed(reason: string): void {
    this.end.resolve(reason);
  }

  readonly take = (tables: JsonObject): void => {
    this.replica.apply(tables);
    this.#tell('update');
  };

  readonly lock = (isOurs: boolean): void => this.#tell(isOurs ? 'ours' : 'not ours');

  async hears(word: string): Promise<void> {
    while (!this.said.includes(word)) await within(this.#news.promise, STEP_TIMEOUT_MS, `no ${word}`);
    this.said.splice(0, this.said.indexOf(word) + 1);
  }

  #tell(word: string): void {
    this.said.push(word);
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }
}

const stand = new OvsdbStand(PORT);
const open: OvsdbClient[] = [];

async function client(address: ServerAddress, limits?: { bytesMax: number; depthMax: number }) {
  const heard = new Heard();
  const made = new OvsdbClient(address, realClock, heard, limits);
  open.push(made);
  await within(heard.up.promise);
  return { heard, db: made };
}

test.before(async () => {
  await stand.create();
  await stand.startServer();
});
test.after.each(() => {
  for (const one of open.splice(0)) one.close('the test ends');
});
test.after(() => stand.stop());

test('databases and schemas are told over both kinds of address, and our tables are those of the schema', async () => {
  for (const address of [stand.unixAddress, stand.tcpAddress]) {
    const { db } = await client(address);
    assert.equal((await db.listDatabases()).sort(), ['Open_vSwitch', '_Server']);
    const schema = await db.getSchema(OPEN_VSWITCH);
    assert.equal(schemaFaults(schema, TABLES), []);
    await db.echo();
    const refused = await failure(db.getSchema('other'));
    assert.match(refused.message, /^the server refused get_schema: .*unknown database/);
    assert.is(refused.code, 'OVSDB_REFUSED');
  }
  const file = parseJson(schemaFile());
  assert.equal(isObject(file) ? schemaFaults(file, TABLES) : [], []);
});

test('each operation does what it says, and a failed one undoes the transaction and is named', async () => {
  const { db } = await client(stand.tcpAddress);
  const [made] = await db.transact(OPEN_VSWITCH, [
    insert(OpenVswitchTable, {
      external_ids: new Map([
        ['a', '1'],
        ['b', '2'],
      ]),
    }),
    insert(ManagerTable, { target: 'ptcp:1' }, 'first'),
    insert(ManagerTable, { target: 'ptcp:2' }, 'second'),
    mutate(
      OpenVswitchTable,
      [],
      [
        mutation(OpenVswitchTable, 'manager_options', 'insert', [{ named: 'first' }, { named: 'second' }]),
        mutation(OpenVswitchTable, 'next_cfg', '+=', 41),
        removal(OpenVswitchTable, 'external_ids', ['a']),
      ],
    ),
    comment('made by a test'),
    commit(true),
  ]);
  assert.ok(made?.uuid);
  assert.match(await stand.history(), /made by a test/);
  const second = where(ManagerTable, 'target', '==', 'ptcp:2');
  const results = await db.transact(OPEN_VSWITCH, [
    update(ManagerTable, [second], { connection_mode: 'in-band' }),
    select(ManagerTable, [second]),
    select(OpenVswitchTable, [isRow(made.uuid)]),
    waitFor(OpenVswitchTable, [], { columns: ['next_cfg'], until: '==', rows: [{ next_cfg: 41 }], timeoutMs: 0 }),
    deleteRows(BridgeTable, []),
  ]);
  assert.equal(
    results.map(({ count }) => count),
    [1, undefined, undefined, undefined, 0],
  );
  const [manager] = rowsOf(ManagerTable, results[1]);
  assert.is(manager?.connection_mode, 'in-band');
  const [root] = rowsOf(OpenVswitchTable, results[2]);
  assert.equal(root?.external_ids, new Map([['b', '2']]));
  assert.is(root?.manager_options.length, 2);
  for (const [operations, message] of [
    [[update(ManagerTable, [], { connection_mode: undefined }), abort()], 'operation 1 (abort): aborted'],
    [[insert(OpenVswitchTable, {})], 'the commit: constraint violation'],
    [
      [mutate(OpenVswitchTable, [], [mutation(OpenVswitchTable, 'next_cfg', '/=', 0)])],
      'operation 0 (mutate Open_vSwitch): domain error',
    ],
    [
      [waitFor(OpenVswitchTable, [], { columns: [], until: '!=', rows: [{}], timeoutMs: 0 })],
      'operation 0 (wait Open_vSwitch): timed out',
    ],
    [[assertLock('mine')], 'operation 0 (assert): not owner'],
  ] as const) {
    const failed = await failure(db.transact(OPEN_VSWITCH, operations));
    assert.ok(failed.message.startsWith(`a transaction failed at ${message}`), failed.message);
  }
  const [after] = rowsOf(ManagerTable, (await db.transact(OPEN_VSWITCH, [select(ManagerTable, [second])]))[0]);
  assert.is(after?.connection_mode, 'in-band');
  await db.transact(OPEN_VSWITCH, [update(OpenVswitchTable, [], { manager_options: [], external_ids: new Map() })]);
});

test('a transaction that waits goes on when what it waits for comes', async () => {
  const [{ db }, other] = await Promise.all([client(stand.unixAddress), client(stand.unixAddress)]);
  const expected = { columns: ['next_cfg'], until: '==', timeoutMs: 20_000 } as const;
  const wait = (next_cfg: number) => waitFor(OpenVswitchTable, [], { ...expected, rows: [{ next_cfg }] });
  const waiting = db.transact(OPEN_VSWITCH, [wait(77)]);
  await other.db.transact(OPEN_VSWITCH, [update(OpenVswitchTable, [], { next_cfg: 77 })]);
  await within(waiting);
});

test('what is monitored is told as it is and as it changes, until it is cancelled', async () => {
  const [{ db, heard }, other] = await Promise.all([client(stand.unixAddress), client(stand.unixAddress)]);
  await db.monitor(OPEN_VSWITCH, 'mine', TABLES, heard.take);
  await heard.hears('update');
  assert.is(heard.replica.rows(OpenVswitchTable).size, 1);
  const bridges = mutation(OpenVswitchTable, 'bridges', 'insert', [{ named: 'b' }]);
  await other.db.transact(OPEN_VSWITCH, [
    insert(BridgeTable, { name: 'br0', other_config: new Map([['x', 'ü"}']]) }, 'b'),
    mutate(OpenVswitchTable, [], [bridges]),
  ]);
  await heard.hears('update');
  const [bridge] = heard.replica.rows(BridgeTable).values();
  assert.is(bridge?.other_config.get('x'), 'ü"}');
  await other.db.transact(OPEN_VSWITCH, [update(BridgeTable, [], { fail_mode: 'secure' })]);
  await heard.hears('update');
  assert.is([...heard.replica.rows(BridgeTable).values()][0]?.fail_mode, 'secure');
  await db.cancelMonitor('mine');
  await other.db.transact(OPEN_VSWITCH, [update(OpenVswitchTable, [], { bridges: [] })]);
  await db.echo();
  assert.equal(heard.said, []);
  assert.match(
    (await failure(db.cancelMonitor('mine'))).message,
    /the server refused monitor_cancel: .*unknown monitor/,
  );
});

test('a lock is had by one, goes to the next, and can be stolen', async () => {
  const [a, b] = await Promise.all([client(stand.unixAddress), client(stand.tcpAddress)]);
  await a.db.lock('mine', a.heard.lock);
  await a.heard.hears('ours');
  await a.db.transact(OPEN_VSWITCH, [assertLock('mine')]);
  await b.db.lock('mine', b.heard.lock);
  await b.heard.hears('not ours');
  await a.db.unlock('mine');
  await b.heard.hears('ours');
  await b.db.transact(OPEN_VSWITCH, [assertLock('mine')]);
  await a.db.steal('mine', a.heard.lock);
  await Promise.all([a.heard.hears('ours'), b.heard.hears('not ours')]);
  assert.match((await failure(b.db.transact(OPEN_VSWITCH, [assertLock('mine')]))).message, /not owner/);
});

test('a message over the cap, a dead server and a dead address end the connection with their reason', async () => {
  const { db, heard } = await client(stand.unixAddress, { bytesMax: 1_000, depthMax: 64 });
  const lost = await failure(db.getSchema(OPEN_VSWITCH));
  assert.is(lost.code, 'OVSDB_LOST');
  assert.is(await within(heard.end.promise), 'too-long: a message has more than 1000 bytes');
  assert.is((await failure(db.echo())).code, 'OVSDB_LOST');
  const second = await client(stand.unixAddress);
  await stand.killServer();
  assert.match(await within(second.heard.end.promise), /the server closed the connection|ECONNRESET/);
  const third = new Heard();
  open.push(new OvsdbClient(stand.tcpAddress, realClock, third));
  assert.match(await within(third.end.promise), /ECONNREFUSED/);
  await stand.startServer();
});

test('a server that answers with rubbish is left, with what it said', async () => {
  const path = join(stand.folder, 'rubbish.sock');
  const server = createServer((socket) =>
    socket.on('error', () => socket.destroy()).once('data', () => socket.write('{"id":1,"result":5,"error":null}')),
  );
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const { db, heard } = await client(`unix:${path}`);
  assert.match((await failure(db.listDatabases())).message, /list_dbs was answered with 5/);
  assert.is(await within(heard.end.promise), 'list_dbs was answered with 5');
  server.close();
});

test('random states of a real database become as wanted in one transaction, and a second plan is empty', async () => {
  const { db, heard } = await client(stand.unixAddress);
  await db.monitor(OPEN_VSWITCH, 'plans', TABLES, heard.take);
  let transactions = 0;
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const dice = new Dice(seededRandom(seed));
    const contents = randomContents(dice);
    // Without the root row all else goes too.
    await db.transact(OPEN_VSWITCH, [deleteRows(OpenVswitchTable, []), ...contents]);
    const wanted = randomWanted(dice);
    const plan = planConfig(wanted, heard.replica);
    if (plan.operations.length > 0) {
      await db.transact(OPEN_VSWITCH, plan.operations);
      transactions++;
    }
    const again = planConfig(wanted, heard.replica);
    assert.equal(again.changes.map(describeChange), [], `seed ${seed}`);
    assert.equal(again.operations, [], `seed ${seed}`);
    assert.equal(again.conflicts, plan.conflicts, `seed ${seed}`);
  }
  assert.ok(transactions > ROUNDS / 2);
  assert.is(memberOf(await db.getSchema(OPEN_VSWITCH), 'name'), OPEN_VSWITCH);
});

test.run();
