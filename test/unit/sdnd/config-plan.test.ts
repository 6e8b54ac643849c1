// The laws of a switch's set-up over random states: once applied it is as wanted, a second plan is empty, and what belongs to
// others is as it was. Then the cases that people make by hand, one by one.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { deleteRows, insert, isRow, mutate, mutation, removal, update } from '../../../sdnd/ovsdb/operations.ts';
import {
  BridgeTable,
  ControllerTable,
  InterfaceTable,
  OpenVswitchTable,
  PortTable,
} from '../../../sdnd/ovsdb/tables.ts';
import { describeChange } from '../../../sdnd/switch-config/config-changes.ts';
import { planConfig } from '../../../sdnd/switch-config/config-plan.ts';
import { type BridgeRow, FoundConfig } from '../../../sdnd/switch-config/found-config.ts';
import {
  isMarked,
  OWNER_KEY,
  type WantedBridge,
  type WantedConfig,
} from '../../../sdnd/switch-config/wanted-config.ts';
import { fuzzInputs, fuzzSeed } from '../../fuzz-inputs.ts';
import { seededRandom } from '../common/seeded-random.ts';
import { ModelDatabase } from './model-database.ts';
import { Dice, OWNER, randomContents, randomWanted } from './random-switch.ts';

/** What somebody reads off a database, without the plan's own comparisons. */
function asWanted({ bridges }: WantedConfig, database: ModelDatabase): WantedBridge[] {
  const found = new FoundConfig(database);
  return bridges.map((wanted) => {
    const row = found.bridges.get(wanted.name);
    if (row === undefined) throw new Error(`there is no ${wanted.name}`);
    assert.ok(isMarked(row.external_ids, OWNER));
    const controllers = found.controllersOf(row).map(({ target, connection_mode, max_backoff, inactivity_probe }) => ({
      ...{ target, connectionMode: connection_mode },
      ...(max_backoff !== undefined && { maxBackoffMs: max_backoff }),
      ...(inactivity_probe !== undefined && { inactivityProbeMs: inactivity_probe }),
    }));
    return {
      ...{ name: row.name, datapathType: row.datapath_type, failMode: row.fail_mode, protocols: row.protocols },
      ...(wanted.otherConfig !== undefined && { otherConfig: only(row.other_config, wanted.otherConfig) }),
      controllers: controllers.sort(byText),
      ports: wanted.ports.map((port) => portIn(found, row, port.name, port)),
    } as WantedBridge;
  });
}

function portIn(found: FoundConfig, bridge: BridgeRow, name: string, wanted: WantedBridge['ports'][number]) {
  const port = found.portsOf(bridge).find((one) => one.name === name);
  if (port === undefined) throw new Error(`there is no ${name} on ${bridge.name}`);
  assert.ok(isMarked(port.external_ids, OWNER));
  const [device, ...more] = found.interfacesOf(port);
  assert.is(more.length, 0);
  assert.is(device?.name, name);
  return {
    ...{ name, type: device?.type },
    ...(device?.ofport_request !== undefined && { ofport: device.ofport_request }),
    ...((device?.options.size ?? 0) > 0 && { options: Object.fromEntries(device?.options ?? []) }),
    ...(wanted.externalIds !== undefined && { externalIds: only(device?.external_ids, wanted.externalIds) }),
  };
}

function only(found: ReadonlyMap<string, string> | undefined, keys: Readonly<Record<string, string>>) {
  return Object.fromEntries(Object.keys(keys).map((key) => [key, found?.get(key)]));
}

function byText(a: unknown, b: unknown): number {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

/** A wish with what the switch says in no order in one order. */
function ordered({ bridges }: WantedConfig): WantedBridge[] {
  return bridges.map((bridge) => ({
    ...bridge,
    protocols: [...bridge.protocols].sort(),
    controllers: [...bridge.controllers].sort(byText),
  }));
}

/** Everything that is nobody's business here: others' bridges with what is on them, and others' ports on ours. */
function othersOf(wanted: WantedConfig, database: ModelDatabase): unknown {
  const found = new FoundConfig(database);
  const wantedBridges = new Set(wanted.bridges.map(({ name }) => name));
  const wantedPorts = new Set([
    ...wantedBridges,
    ...wanted.bridges.flatMap(({ ports }) => ports.map(({ name }) => name)),
  ]);
  return [...found.bridges.values()]
    .map(({ _uuid, ports: _, ...bridge }) => {
      const ports = found.portsOf({ _uuid, ports: _, ...bridge });
      const others = ports.filter(({ name, external_ids }) => !wantedPorts.has(name) && !isMarked(external_ids, OWNER));
      const isOurs = wantedBridges.has(bridge.name) || isMarked(bridge.external_ids, OWNER);
      const theirs = others.map((port) => ({ port, devices: found.interfacesOf(port) }));
      if (isOurs) return theirs.filter(({ port }) => port.name !== bridge.name);
      return { bridge, theirs, controllers: found.controllersOf({ _uuid, ports: _, ...bridge }) };
    })
    .filter((one) => !Array.isArray(one) || one.length > 0);
}

test('once applied it is as wanted, a second plan is empty, and what others made is as it was', () => {
  const first = fuzzSeed(1);
  let refused = 0;
  for (let seed = first; seed < first + fuzzInputs(1000); seed++) {
    const dice = new Dice(seededRandom(seed));
    const database = new ModelDatabase();
    database.apply(randomContents(dice));
    const wanted = randomWanted(dice);
    const others = othersOf(wanted, database);
    const plan = planConfig(wanted, database);
    assert.is(plan.operations.length === 0, plan.changes.length === 0, `seed ${seed}`);
    database.apply(plan.operations);
    const again = planConfig(wanted, database);
    assert.equal(again.changes.map(describeChange), [], `seed ${seed}`);
    assert.equal(again.operations, [], `seed ${seed}`);
    assert.equal(again.conflicts, plan.conflicts, `seed ${seed}`);
    assert.equal(othersOf(wanted, database), others, `seed ${seed}`);
    if (plan.conflicts.some(({ part, reason }) => part !== 'tls' && !reason.startsWith('it is not wanted'))) refused++;
    else assert.equal(asWanted(wanted, database), ordered(wanted), `seed ${seed}`);
  }
  assert.ok(refused > 0, 'some had conflicts');
});

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
