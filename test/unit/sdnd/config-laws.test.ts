// The laws of a switch's set-up over random states: once applied it is as wanted, a second plan is empty, and what belongs to
// others is as it was.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeChange } from '../../../sdnd/switch-config/config-changes.ts';
import { planConfig } from '../../../sdnd/switch-config/config-plan.ts';
import { type BridgeRow, FoundConfig } from '../../../sdnd/switch-config/found-config.ts';
import { isMarked, type WantedBridge, type WantedConfig } from '../../../sdnd/switch-config/wanted-config.ts';
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

test.run();
