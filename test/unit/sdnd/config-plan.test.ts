// A switch's set-up from nothing, and what people change by hand in it, one case after the other. Laws over random states are
// in `config-laws`.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deleteRows, insert, isRow, mutate, mutation, removal, update } from '../../../sdnd/ovsdb/operations.ts';
import {
  BridgeTable,
  ControllerTable,
  InterfaceTable,
  OpenVswitchTable,
  PortTable,
  SslTable,
} from '../../../sdnd/ovsdb/tables.ts';
import { describeChange } from '../../../sdnd/switch-config/config-changes.ts';
import { planConfig } from '../../../sdnd/switch-config/config-plan.ts';
import { FoundConfig } from '../../../sdnd/switch-config/found-config.ts';
import { OWNER_KEY, type WantedConfig } from '../../../sdnd/switch-config/wanted-config.ts';
import { ModelDatabase } from './model-database.ts';
import { OWNER } from './random-switch.ts';

const TUNNEL = { name: 'vxlan0', type: 'vxlan', ofport: 1, options: { remote_ip: 'flow', key: 'flow' } };
const CONTROLLER = { target: 'ssl:10.77.0.1:6653', connectionMode: 'out-of-band', maxBackoffMs: 1000 } as const;
const WANTED: WantedConfig = {
  owner: OWNER,
  bridges: [
    {
      name: 'br-int',
      datapathType: 'netdev',
      failMode: 'secure',
      protocols: ['OpenFlow13'],
      controllers: [CONTROLLER],
      ports: [TUNNEL, { name: 'vm-1', type: '', ofport: 4096, externalIds: { who: 'web' } }],
    },
  ],
  tls: { privateKey: '/key.pem', certificate: '/cert.pem', authority: '/ca.pem' },
};

/** A switch that is as wanted. */
function rightSwitch(): ModelDatabase {
  const database = new ModelDatabase();
  database.apply(planConfig(WANTED, database).operations);
  return database;
}

function bridgeOf(database: ModelDatabase, name = 'br-int') {
  const bridge = new FoundConfig(database).bridges.get(name);
  if (bridge === undefined) throw new Error(`there is no ${name}`);
  return bridge;
}

function portUuid(database: ModelDatabase, name: string) {
  const port = new FoundConfig(database).ports.get(name)?.port;
  if (port === undefined) throw new Error(`there is no ${name}`);
  return port._uuid;
}

/** What a plan says it does; the switch is right afterwards. */
function repairsOf(database: ModelDatabase): string[] {
  const plan = planConfig(WANTED, database);
  assert.equal(plan.conflicts, []);
  database.apply(plan.operations);
  assert.equal(planConfig(WANTED, database).operations, []);
  return plan.changes.map(describeChange);
}

test('an empty database is set up whole, in one transaction', () => {
  const database = new ModelDatabase();
  assert.equal(repairsOf(database), [
    'add database Open_vSwitch',
    'add tls /cert.pem',
    'add port br-int (of br-int)',
    'add port vxlan0 (of br-int)',
    'add port vm-1 (of br-int)',
    'add controller ssl:10.77.0.1:6653 (of br-int)',
    'add bridge br-int',
  ]);
});

test('what is removed by hand comes back, and nothing else is touched', () => {
  const database = rightSwitch();
  const bridge = bridgeOf(database);
  database.apply([
    mutate(BridgeTable, [isRow(bridge._uuid)], [removal(BridgeTable, 'ports', [portUuid(database, 'vm-1')])]),
  ]);
  assert.equal(repairsOf(database), ['add port vm-1 (of br-int)']);
  database.apply([update(BridgeTable, [isRow(bridge._uuid)], { controller: [] })]);
  assert.equal(repairsOf(database), ['add controller ssl:10.77.0.1:6653 (of br-int)']);
  database.apply([update(OpenVswitchTable, [], { bridges: [], ssl: undefined })]);
  assert.is(repairsOf(database).length, 6);
});

test('what is changed by hand is changed back, column by column', () => {
  const database = rightSwitch();
  const [tunnel] = [...database.rows(InterfaceTable).values()].filter(({ name }) => name === 'vxlan0');
  const bridge = bridgeOf(database);
  database.apply([
    update(BridgeTable, [isRow(bridge._uuid)], {
      fail_mode: 'standalone',
      protocols: ['OpenFlow10'],
      external_ids: new Map(),
    }),
    update(InterfaceTable, tunnel === undefined ? [] : [isRow(tunnel._uuid)], {
      options: new Map([['remote_ip', '10.0.0.9']]),
    }),
    update(ControllerTable, [], { connection_mode: 'in-band' }),
    update(PortTable, [isRow(portUuid(database, 'vm-1'))], { external_ids: new Map([['note', 'kept']]) }),
  ]);
  assert.equal(repairsOf(database), [
    'change bridge br-int (fail_mode, protocols, external_ids)',
    'change port vxlan0 (options)',
    'change port vm-1 (external_ids)',
    'change controller ssl:10.77.0.1:6653 (connection_mode)',
  ]);
  assert.is(new FoundConfig(database).ports.get('vm-1')?.port.external_ids.get('note'), 'kept');
});

test('a controller that others put on our bridge goes; a port that others put there stays', () => {
  const database = rightSwitch();
  const bridge = isRow(bridgeOf(database)._uuid);
  database.apply([
    insert(ControllerTable, { target: 'tcp:10.0.0.66:6653' }, 'stranger'),
    insert(InterfaceTable, { name: 'visitor0' }, 'device'),
    insert(PortTable, { name: 'visitor0', interfaces: [{ named: 'device' }] }, 'visitor'),
    update(BridgeTable, [bridge], { controller: [{ named: 'stranger' }] }),
    mutate(BridgeTable, [bridge], [mutation(BridgeTable, 'ports', 'insert', [{ named: 'visitor' }])]),
  ]);
  assert.equal(repairsOf(database), [
    'add controller ssl:10.77.0.1:6653 (of br-int)',
    'remove controller tcp:10.0.0.66:6653 (of br-int)',
  ]);
  assert.ok(new FoundConfig(database).ports.has('visitor0'));
});

test('a port of ours on another bridge is taken back as it is, without a mark it is a conflict', () => {
  const database = rightSwitch();
  const move = (from: string, to: string) => [
    mutate(
      BridgeTable,
      [isRow(bridgeOf(database, from)._uuid)],
      [removal(BridgeTable, 'ports', [portUuid(database, 'vm-1')])],
    ),
    mutate(
      BridgeTable,
      [isRow(bridgeOf(database, to)._uuid)],
      [mutation(BridgeTable, 'ports', 'insert', [portUuid(database, 'vm-1')])],
    ),
  ];
  database.apply([
    insert(BridgeTable, { name: 'br-x' }, 'x'),
    mutate(OpenVswitchTable, [], [mutation(OpenVswitchTable, 'bridges', 'insert', [{ named: 'x' }])]),
  ]);
  database.apply(move('br-int', 'br-x'));
  const uuid = portUuid(database, 'vm-1');
  assert.equal(repairsOf(database), ['change port vm-1 (from br-x to br-int)']);
  assert.is(portUuid(database, 'vm-1'), uuid);
  database.apply(move('br-int', 'br-x'));
  database.apply([update(PortTable, [isRow(uuid)], { external_ids: new Map([[OWNER_KEY, 'other']]) })]);
  const plan = planConfig(WANTED, database);
  assert.equal(plan.operations, []);
  assert.equal(plan.conflicts, [{ part: 'port', name: 'vm-1', reason: 'somebody else has it as vm-1 of br-x' }]);
});

test('a bridge of our name that others made is left alone', () => {
  const database = new ModelDatabase();
  database.apply([
    insert(OpenVswitchTable, {}),
    insert(BridgeTable, { name: 'br-int' }, 'b'),
    mutate(OpenVswitchTable, [], [mutation(OpenVswitchTable, 'bridges', 'insert', [{ named: 'b' }])]),
  ]);
  const { tls: _, ...wanted } = WANTED;
  const plan = planConfig(wanted, database);
  assert.equal(plan.operations, []);
  assert.equal(plan.conflicts, [
    { part: 'bridge', name: 'br-int', reason: 'there is one of that name that somebody else made' },
  ]);
});

test("another's mark on a bridge of our name is believed, whatever ports of ours are on it", () => {
  const database = rightSwitch();
  const theirs = new Map([[OWNER_KEY, 'other']]);
  database.apply([
    update(BridgeTable, [isRow(bridgeOf(database)._uuid)], { external_ids: theirs, fail_mode: undefined }),
  ]);
  const plan = planConfig(WANTED, database);
  assert.equal(plan.operations, []);
  assert.is(plan.conflicts[0]?.part, 'bridge');
});

test('the TLS files that others set are left alone, and are no conflict where they are the same', () => {
  const database = rightSwitch();
  database.apply([update(SslTable, [], { external_ids: new Map() })]);
  assert.equal(repairsOf(database), []);
  database.apply([update(SslTable, [], { certificate: '/other.pem' })]);
  const plan = planConfig(WANTED, database);
  assert.equal(plan.operations, []);
  const reason = 'the switch proves itself by /other.pem, which somebody else set';
  assert.equal(plan.conflicts, [{ part: 'tls', name: '/cert.pem', reason }]);
  database.apply([update(SslTable, [], { external_ids: new Map([[OWNER_KEY, OWNER]]) })]);
  assert.equal(repairsOf(database), ['change tls /cert.pem (certificate)']);
});

test('what carries our mark and is wanted no more goes; a bridge with ports of others stays and is told', () => {
  const database = rightSwitch();
  const fewer = { owner: OWNER, bridges: [] };
  const visited = rightSwitch();
  database.apply(planConfig(fewer, database).operations);
  assert.is(database.rows(BridgeTable).size, 0);
  assert.is(new FoundConfig(database).tls, undefined);
  visited.apply([
    insert(InterfaceTable, { name: 'visitor0' }, 'device'),
    insert(PortTable, { name: 'visitor0', interfaces: [{ named: 'device' }] }, 'visitor'),
    mutate(BridgeTable, [], [mutation(BridgeTable, 'ports', 'insert', [{ named: 'visitor' }])]),
  ]);
  const plan = planConfig(fewer, visited);
  visited.apply(plan.operations);
  assert.is(plan.conflicts[0]?.reason, 'it is not wanted any more, but others have ports on it');
  assert.equal([...new FoundConfig(visited).ports.keys()], ['visitor0']);
});

test('the model refuses what a server refuses', () => {
  const database = rightSwitch();
  const twice = insert(BridgeTable, { name: 'br-int' }, 'b');
  const known = mutation(OpenVswitchTable, 'bridges', 'insert', [{ named: 'b' }]);
  assert.throws(() => database.apply([twice, mutate(OpenVswitchTable, [], [known])]), /constraint violation/);
  assert.throws(() => database.apply([deleteRows(BridgeTable, [])]), /does not know delete/);
  assert.is(database.rows(BridgeTable).size, 1);
});

test.run();
