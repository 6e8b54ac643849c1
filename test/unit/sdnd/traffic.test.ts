// Bytes by pairs of guests: nothing is counted twice or lost, whatever begins anew; and who a pair is.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { realDisk } from '../../../common/disk/disk.ts';
import { encodeRecord } from '../../../common/rpc/record.ts';
import { gatherFigures, pairsOf } from '../../../sdnd/traffic/network-figures.ts';
import { type Counted, readTapTables, tapTableName } from '../../../sdnd/traffic/tap-tables.ts';
import { REST, TrafficBook } from '../../../sdnd/traffic/traffic-book.ts';
import { TrafficKeeper } from '../../../sdnd/traffic/traffic-keeper.ts';
import type { Binding } from '../../../wire/contracts/sdnd.ts';
import { quiet, within } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';

/** Of one receiver: as many bytes on the wire as a count may take. */
const FRAMES = 2 ** 40;
const PORT = { name: 'vm-1', portNo: 4096, owner: 'web', mac: '02:88:00:00:00:10' };
const TABLE = tapTableName({ device: PORT.name, index: 7, mac: PORT.mac });

function row(to: string, frames: number): Counted {
  return { to, bytes: 100 * frames, frames };
}

function sums(book: TrafficBook): string[] {
  return book.sent.map(({ owner, to, bytes, frames }) => `${owner} ${to} ${bytes} ${frames}`);
}

function table(...counted: readonly Counted[]) {
  return { name: TABLE, counted };
}

const isWeb = (): string => 'web';

test('what is new since the last look is added, also of an entry or table that began anew', () => {
  const book = new TrafficBook();
  book.take([table(row('10.0.0.2', 3))], isWeb);
  book.take([table(row('10.0.0.2', 5), row('10.0.0.3', 1))], isWeb);
  assert.equal(sums(book), ['web 10.0.0.2 500 5', 'web 10.0.0.3 100 1']);
  book.take([table(row('10.0.0.2', 2))], isWeb);
  assert.equal(sums(book), ['web 10.0.0.2 700 7', 'web 10.0.0.3 100 1']);
  // Its entry ran out, was seen to be away, and has come again with more than before.
  book.take([table(row('10.0.0.2', 2), row('10.0.0.3', 4))], isWeb);
  assert.equal(sums(book), ['web 10.0.0.2 700 7', 'web 10.0.0.3 500 5']);
  book.take([], isWeb);
  book.take([table(row('10.0.0.2', 9))], isWeb);
  assert.equal(sums(book)[0], 'web 10.0.0.2 1600 16');
});

test('an agent that begins with what was kept counts what came meanwhile, once', () => {
  const book = new TrafficBook();
  book.take([table(row('10.0.0.2', 3))], isWeb);
  const kept = structuredClone(book.state);
  book.take([table(row('10.0.0.2', 8))], isWeb);
  const again = new TrafficBook(kept);
  again.take([table(row('10.0.0.2', 8))], () => undefined);
  assert.equal(sums(again), sums(book));
});

test("a table of nobody is nobody's, and receivers without end are one sum in the end", () => {
  const book = new TrafficBook();
  book.take([table(row('10.0.0.2', 3))], () => undefined);
  assert.equal(book.sent, []);
  for (let round = 0; round < 3; round++) {
    const many = Array.from({ length: 2_000 }, (_, at) => row(`10.${round}.${at >> 8}.${at & 255}`, 1));
    book.take([table(...many)], isWeb);
  }
  assert.is(book.sent.length, 4_097);
  assert.is(book.sent.find(({ to }) => to === REST)?.frames, 6_000 - 4_096);
});

test('all guests together have so many receivers apart as one answer holds, also after a restart', () => {
  const book = new TrafficBook();
  const tableOf = (owner: number, receivers: number) => ({
    name: `table-${owner}`,
    counted: Array.from({ length: receivers }, (_, at) => ({
      ...{ to: `02:88:00:00:${(at >> 8).toString(16)}:${at & 255}`, bytes: 2 ** 50, frames: FRAMES },
    })),
  });
  const ownerOf = (name: string): string => name.replace('table', 'a-guest-with-a-name-as-long-as-it-may');
  book.take(
    Array.from({ length: 40 }, (_, owner) => tableOf(owner, 4_000)),
    ownerOf,
  );
  const again = new TrafficBook(structuredClone(book.state));
  again.take([tableOf(99, 10)], ownerOf);
  for (const { sent } of [book, again]) {
    assert.ok(sent.length <= 65_536 + 41, `${sent.length}`);
    assert.ok(encodeRecord({ kind: 'result', id: 1, value: { sent } }).ok);
  }
  const counted = (one: TrafficBook) => one.sent.reduce((sum, { frames }) => sum + frames / FRAMES, 0);
  assert.equal([counted(book), counted(again)], [160_000, 160_010]);
});

test('what nft says is read; tables of others are passed over, and what is no list is refused', () => {
  const name = { family: 'netdev', name: TABLE, handle: 1 };
  const elem = [{ elem: { val: '10.0.0.2', expires: 3_599, counter: { packets: 3, bytes: 3_084 } } }];
  const other = { family: 'netdev', name: 'tunnels-up0', handle: 2 };
  const set = { family: 'netdev', name: 'by-ip', table: TABLE, type: 'ipv4_addr', elem };
  const empty = { family: 'netdev', name: 'by-mac', table: TABLE, type: 'ether_addr' };
  const nftables = [{ metainfo: {} }, { table: other }, { table: name }, { set }, { set: empty }];
  const counted = [{ to: '10.0.0.2', bytes: 3_126, frames: 3 }];
  assert.equal(readTapTables(JSON.stringify({ nftables })), [{ name: TABLE, counted }]);
  assert.throws(() => readTapTables('[]'), /no ruleset/);
});

/** A kernel whose tables are text, and one that fails. */
function kernel() {
  const state = {
    ...{ tables: new Map<string, Counted[]>(), index: 7, isBroken: false, said: [] as string[] },
    changed: (): void => undefined,
  };
  const run = async (words: readonly string[], input: string): Promise<string> => {
    if (state.isBroken) throw new Error('nft is not there');
    if (words[0] === '-j') return rulesetOf(state.tables);
    state.said.push(input);
    for (const [, name = ''] of input.matchAll(/^delete table netdev (\S+)$/gm)) state.tables.delete(name);
    for (const [, name = ''] of input.matchAll(/^table netdev (\S+) \{$/gm)) state.tables.set(name, []);
    state.changed();
    return '';
  };
  return { state, run };
}

function rulesetOf(tables: ReadonlyMap<string, readonly Counted[]>): string {
  const nftables = [...tables].flatMap(([name, counted]) => {
    const elem = counted.map(({ to, bytes, frames }) => ({
      elem: { val: to, counter: { packets: frames, bytes: bytes - 14 * frames } },
    }));
    return [{ table: { family: 'netdev', name } }, { set: { family: 'netdev', name: 'by-ip', table: name, elem } }];
  });
  return JSON.stringify({ nftables });
}

test('a keeper makes a table for each port, takes its last figures before it goes, and goes on after a restart', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'traffic-'));
  const { state, run } = kernel();
  const ports = [PORT];
  const parts = { directory, disk: realDisk, ports: () => ports, run, clock: new TurnedClock(), log: quiet };
  const start = () => TrafficKeeper.start({ ...parts, indexOf: () => state.index });
  const keeper = await start();
  await keeper.sent();
  assert.equal([...state.tables.keys()], ['supercloud-vm-1-7-028800000010']);
  assert.match(state.said.join(), /ether saddr != 02:88:00:00:00:10 accept/);
  state.tables.set(TABLE, [row('10.0.0.2', 3)]);
  keeper.stop();
  const second = await start();
  assert.is((await second.sent())[0]?.frames, 3);
  // The device was made anew: another table, and what the old one had is in the sum and on the disk.
  state.tables.set(TABLE, [row('10.0.0.2', 5)]);
  state.index = 8;
  assert.is((await second.sent())[0]?.frames, 5);
  assert.equal([...state.tables.keys()], [tapTableName({ device: PORT.name, index: 8, mac: PORT.mac })]);
  ports.length = 0;
  await second.sent();
  assert.is(state.tables.size, 0);
  second.stop();
  const third = await start();
  assert.is((await third.sent())[0]?.frames, 5);
  third.stop();
  await rm(directory, { recursive: true });
});

test('a machine without nftables counts nothing, and later does', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'traffic-'));
  const { state, run } = kernel();
  state.isBroken = true;
  const clock = new TurnedClock();
  const parts = { directory, disk: realDisk, ports: () => [PORT], run, clock, log: quiet };
  const keeper = await TrafficKeeper.start({ ...parts, indexOf: () => 7 });
  assert.equal(await keeper.sent(), []);
  state.isBroken = false;
  const made = new Promise<void>((resolve) => {
    state.changed = resolve;
  });
  clock.turn(10_000);
  await within(made);
  assert.is(state.tables.size, 1);
  await keeper.sent();
  keeper.stop();
  assert.is(clock.timers, 0);
  await rm(directory, { recursive: true });
});

function binding(owner: string, at: number, tenant?: number): Binding {
  const places = { mac: `02:88:00:00:00:0${at}`, ip: `10.0.0.${at}`, node: 'alpha', port: `vm-${owner}`, epoch: 1 };
  return { owner, ...places, ...(tenant !== undefined && { tenant }) };
}

test("a pair is by who has the address in the sender's network, over all nodes and all kinds of address", () => {
  const bindings = [binding('web', 1), binding('db', 2), binding('spy', 2, 5), binding('other', 3, 5)];
  const sent = [
    { owner: 'web', ...row('10.0.0.2', 1) },
    { owner: 'web', ...row('02:88:00:00:00:02', 2) },
    { owner: 'web', ...row('fd00:88::88:ff:fe00:2', 32) },
    { owner: 'web', ...row('10.0.0.2', 4) },
    { owner: 'web', ...row('10.0.0.3', 8) },
    { owner: 'web', ...row('192.0.2.1', 16) },
    { owner: 'other', ...row('10.0.0.2', 1) },
  ];
  const pairs = pairsOf(sent, bindings).map(({ from, to, bytes, frames }) => `${from} ${to} ${bytes} ${frames}`);
  assert.equal(pairs, ['web db 3900 39', 'web null 2400 24', 'other spy 100 1']);
});

test('an agent that is away is named, and the others are asked', async () => {
  const parts = {
    members: () => ['alpha', 'beta'].map((node) => ({ node, address: '10.77.0.1' })),
    bindings: () => [binding('web', 1), binding('db', 2)],
    switches: () => ['alpha', 'beta'].map((node) => ({ node, connected: true, flows: 9, flowMods: 12 })),
    log: quiet,
  };
  const { switches, pairs, unreachable } = await gatherFigures({
    ...parts,
    ask: async ({ node }) => {
      if (node === 'beta') throw new Error('away');
      return { sent: [{ owner: 'web', ...row('10.0.0.2', 1) }], packetIns: { services: 4, probes: 5 } };
    },
  });
  assert.equal(unreachable, ['beta']);
  assert.equal(pairs, [{ from: 'web', to: 'db', bytes: 100, frames: 1 }]);
  assert.equal(
    switches.map(({ node, packetIns }) => [node, packetIns?.probes]),
    [
      ['alpha', 5],
      ['beta', undefined],
    ],
  );
});

test.run();
