// Random contents of a switch's database, made by several owners and by hand, and random wishes for it. Not a test itself.
import { insert, mutate, mutation, type Operation, update } from '../../../sdnd/ovsdb/operations.ts';
import {
  BridgeTable,
  ControllerTable,
  InterfaceTable,
  ManagerTable,
  OpenVswitchTable,
  PortTable,
  SslTable,
} from '../../../sdnd/ovsdb/tables.ts';
import type { NamedUuid } from '../../../sdnd/ovsdb/values.ts';
import {
  OWNER_KEY,
  type WantedBridge,
  type WantedConfig,
  type WantedPort,
} from '../../../sdnd/switch-config/wanted-config.ts';

export const OWNER = 'agent';

/** The seeded source of all that is random here. */
export class Dice {
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  pick<const T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0];
  }

  some<T>(values: readonly T[], probability = 0.5): T[] {
    return values.filter(() => this.chance(probability));
  }
}

const BRIDGES = ['br-int', 'br-a', 'br-old', 'br-x'];
const PORTS = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7'];
const TARGETS = ['ssl:10.0.0.1:6653', 'tcp:10.0.0.2:6653', 'unix:c.sock'];
const FILES = ['/a.pem', '/b.pem'] as const;

/** What is wanted; ports and bridges never have the same name. */
export function randomWanted(dice: Dice): WantedConfig {
  const free = dice.some(PORTS, 0.7);
  const bridges = dice.some(BRIDGES.slice(0, 2), 0.8).map((name): WantedBridge => {
    const ports = free.splice(0, dice.below(free.length + 1)).map((port) => randomPort(dice, port));
    const controllers = dice.some(TARGETS).map((target) => ({
      target,
      connectionMode: dice.pick(['in-band', 'out-of-band']),
      ...(dice.chance(0.5) && { maxBackoffMs: 1000 + dice.below(2) }),
      ...(dice.chance(0.3) && { inactivityProbeMs: 0 }),
    }));
    return {
      ...{ name, ports, controllers },
      datapathType: dice.pick(['netdev', 'system']),
      failMode: dice.pick(['secure', 'standalone']),
      protocols: dice.some(['OpenFlow13', 'OpenFlow10']),
      ...(dice.chance(0.3) && { otherConfig: { hwaddr: dice.pick(['02:00:00:00:00:01', '02:00:00:00:00:02']) } }),
    };
  });
  const tls = { privateKey: dice.pick(FILES), certificate: dice.pick(FILES), authority: dice.pick(FILES) };
  return { owner: OWNER, bridges, ...(dice.chance(0.5) && { tls }) };
}

function randomPort(dice: Dice, name: string): WantedPort {
  return {
    name,
    type: dice.pick(['', 'vxlan', 'internal']),
    ...(dice.chance(0.5) && { ofport: 1 + dice.below(3) }),
    ...(dice.chance(0.3) && { options: { remote_ip: dice.pick(['flow', '10.0.0.9']), key: 'flow' } }),
    ...(dice.chance(0.3) && { externalIds: { who: dice.pick(['a', 'b']) } }),
  };
}

function marks(dice: Dice): ReadonlyMap<string, string> {
  const owner: [string, string][] = dice.chance(0.5) ? [[OWNER_KEY, dice.pick([OWNER, OWNER, 'other'])]] : [];
  return new Map([...owner, ...(dice.chance(0.3) ? [['who', 'b'] as const, ['note', 'by hand'] as const] : [])]);
}

/** The transaction that fills an empty database; none of it where the database is to stay empty. */
export function randomContents(dice: Dice): Operation[] {
  if (dice.chance(0.1)) return [];
  const operations: Operation[] = [insert(OpenVswitchTable, {})];
  const free = dice.some(PORTS, 0.7);
  for (const name of dice.some(BRIDGES)) operations.push(...randomBridge(dice, name, free));
  if (dice.chance(0.4)) {
    const files = { private_key: dice.pick(FILES), certificate: dice.pick(FILES), ca_cert: dice.pick(FILES) };
    operations.push(insert(SslTable, { ...files, external_ids: marks(dice) }, 'ssl'));
    operations.push(update(OpenVswitchTable, [], { ssl: { named: 'ssl' } }));
  }
  if (dice.chance(0.3)) {
    operations.push(insert(ManagerTable, { target: 'ptcp:6640:127.0.0.1' }, 'manager'));
    operations.push(
      mutate(OpenVswitchTable, [], [mutation(OpenVswitchTable, 'manager_options', 'insert', [{ named: 'manager' }])]),
    );
  }
  return operations;
}

function randomBridge(dice: Dice, name: string, free: string[]): Operation[] {
  const id = name.replace('-', '_');
  const operations: Operation[] = [];
  const names = [...(dice.chance(0.8) ? [name] : []), ...free.splice(0, dice.below(free.length + 1))];
  const ports: NamedUuid[] = [];
  while (names.length > 0) {
    // Now and then a bond, whose interfaces take further names; and a port whose interface has another name.
    const [port = ''] = names;
    const members = names.splice(0, dice.chance(0.2) ? 2 : 1);
    if (members.length === 1 && members[0] !== name && dice.chance(0.1)) members[0] = names.pop() ?? port;
    for (const member of members)
      operations.push(insert(InterfaceTable, randomInterface(dice, member), `i_${idOf(member)}`));
    const interfaces = members.map((member) => ({ named: `i_${idOf(member)}` }));
    operations.push(insert(PortTable, { name: port, interfaces, external_ids: marks(dice) }, `p_${idOf(port)}`));
    ports.push({ named: `p_${idOf(port)}` });
  }
  const controllers = dice.some(TARGETS).map((target, at) => {
    const row = { target, max_backoff: 1000 + dice.below(2), external_ids: marks(dice) };
    operations.push(insert(ControllerTable, row, `c_${id}_${at}`));
    return { named: `c_${id}_${at}` };
  });
  const row = {
    ...{ name, ports, controller: controllers, external_ids: marks(dice) },
    fail_mode: dice.pick(['secure', 'standalone', undefined]),
    datapath_type: dice.pick(['netdev', '']),
    protocols: dice.some(['OpenFlow13', 'OpenFlow14']),
    other_config: new Map(dice.chance(0.5) ? [['hwaddr', '02:00:00:00:00:01'] as const, ['x', 'y'] as const] : []),
  };
  operations.push(insert(BridgeTable, row, id));
  operations.push(mutate(OpenVswitchTable, [], [mutation(OpenVswitchTable, 'bridges', 'insert', [{ named: id }])]));
  return operations;
}

function idOf(name: string): string {
  return name.replace('-', '_');
}

function randomInterface(dice: Dice, name: string) {
  return {
    name,
    type: dice.pick(['', 'vxlan', 'internal']),
    ofport_request: dice.pick([undefined, 1, 2]),
    options: new Map(
      dice.chance(0.4) ? [['remote_ip', dice.pick(['flow', '10.0.0.9'])] as const, ['key', 'flow'] as const] : [],
    ),
    external_ids: marks(dice),
  };
}
