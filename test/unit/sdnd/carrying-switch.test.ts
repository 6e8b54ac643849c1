// What an agent without records finds at a switch that carries guests: their ports and no others, and which are open.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { closedPorts, openPorts } from '../../../sdnd/agent/carrying-switch.ts';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import { portName } from '../../../sdnd/agent/guest-ports.ts';
import { wantedSwitch } from '../../../sdnd/agent/node-switch.ts';
import { isRow, update } from '../../../sdnd/ovsdb/operations.ts';
import { InterfaceTable, PortTable } from '../../../sdnd/ovsdb/tables.ts';
import { planConfig } from '../../../sdnd/switch-config/config-plan.ts';
import { ModelDatabase } from './model-database.ts';

const OWNERS = ['web', 'db'];
const PORTS = OWNERS.map((owner, at) => {
  return { owner, mac: `02:88:00:00:00:1${at}`, portNo: 4096 + at, name: portName(owner) };
});
const GUESTS = PORTS.map(({ owner, mac, portNo }) => ({ owner, mac, portNo, open: false }));

/** Of a node with a tunnel, a device that leads outside, and two guests. */
function carrying(): ModelDatabase {
  const database = new ModelDatabase();
  const wanted = wantedSwitch({ datapathType: 'netdev', outside: 'eth1' }, PORTS);
  database.apply(planConfig(wanted, database).operations);
  return database;
}

/** The row of web's port, or of its interface. */
function webs(database: ModelDatabase, of: typeof PortTable | typeof InterfaceTable) {
  const rows = [...database.rows(of).values()].filter(({ name }) => name === portName('web'));
  return rows.map(({ _uuid }) => isRow(_uuid));
}

test('guests’ ports are found by what an earlier life wrote beside them', () => {
  assert.equal(closedPorts(carrying()), GUESTS);
  assert.equal(closedPorts(new ModelDatabase()), []);
});

test('what bears another mark, or names no guest of that port, is none of the agent’s', () => {
  const marked = carrying();
  const mark = new Map([['supercloud', 'another']]);
  marked.apply([update(PortTable, webs(marked, PortTable), { external_ids: mark })]);
  assert.equal(closedPorts(marked), GUESTS.slice(1));
  const renamed = carrying();
  const ids = new Map([
    ['supercloud-owner', 'app'],
    ['attached-mac', '02:88:00:00:00:10'],
  ]);
  renamed.apply([update(InterfaceTable, webs(renamed, InterfaceTable), { external_ids: ids })]);
  assert.equal(closedPorts(renamed), GUESTS.slice(1));
});

test('a port is open that has both flows of its gate; with one alone it was being closed', () => {
  const [web, db] = GUESTS;
  const out = gateFlows(4096).filter((flow) => flow.match.inPort === undefined);
  assert.is(out.length, 1);
  assert.equal(openPorts(GUESTS, [...out, ...gateFlows(4097)]), [db]);
  assert.equal(openPorts(GUESTS, gateFlows(4096)), [web]);
  assert.equal(openPorts(GUESTS, []), []);
});

test.run();
