// Whom a doctor asks for what, and when it sends no bytes.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Doctor } from '../../../orchestrator/network/doctor.ts';
import type { MigrationRecord, State } from '../../../orchestrator/state.ts';
import type { UnderlayMember } from '../../../wire/contracts/underlay.ts';
import { failure } from '../common/members.ts';
import { FakeCluster } from './fake-cluster.ts';
import { migrationRecord } from './records.ts';

const LINK = { hasTunnel: true, heard: 20, longestBytes: 1_344, wantedBytes: 1_344 };
const PEER = {
  ports: [],
  roundTrip: { minMs: 1, medianMs: 1, samples: 9 },
  clock: { offsetMs: 0, errorMs: 1 },
  path: { longestBytes: 1_500 },
};
const ALL = { a: 'alpha', b: 'beta', bandwidth: true, force: false };

function stand(migrations: readonly MigrationRecord[] = [], places: readonly UnderlayMember[] = []) {
  const cluster = new FakeCluster();
  const paths: (string | null)[] = [];
  for (const node of ['alpha', 'beta']) {
    cluster.clients(node).hypervisor.answers['peer.look'] = ({ path }) => {
      paths.push(path);
      return PEER;
    };
    cluster.clients(node).hypervisor.answers['peer.rate'] = () => ({ bytes: 1, ms: 1, bytesPerSecond: 5e6 });
    cluster.clients(node).switchAgent.answers['link.look'] = () => LINK;
  }
  const tables: Readonly<Record<string, readonly unknown[]>> = { migrations, underlay: places };
  const all = ((table: string) => [...(tables[table] ?? [])]) as State['all'];
  return { cluster, paths, doctor: new Doctor({ cluster, state: { all } }) };
}

test('both look at one another, and take bytes one after the other', async () => {
  const { cluster, doctor } = stand();
  const { findings, ends } = await doctor.examine(ALL);
  assert.ok(findings.every(({ verdict }) => verdict === 'ok'));
  assert.equal(
    ends.map(({ node }) => node),
    ['alpha', 'beta'],
  );
  for (const node of ['alpha', 'beta']) {
    assert.is(cluster.count(`${node} hypervisor peer.rate`), 1);
    assert.is(cluster.count(`${node} switch link.look`), 1);
  }
});

test('no bytes where none are wanted, nor for a node whose agent is away', async () => {
  const { cluster, doctor } = stand();
  await doctor.examine({ ...ALL, bandwidth: false });
  assert.is(cluster.count('alpha hypervisor peer.rate'), 0);
  cluster.clients('beta').hypervisor.isAway = true;
  const { findings } = await doctor.examine(ALL);
  assert.is(cluster.count('beta hypervisor peer.rate'), 0);
  const wrong = findings.filter(({ verdict }) => verdict === 'wrong');
  assert.equal(
    wrong.map(({ subject, from }) => `${subject} ${from}`),
    ['ports beta'],
  );
});

test('while a VM migrates between the two bytes are sent by force alone', async () => {
  const moving = migrationRecord({ from: 'beta', to: 'alpha', step: 'memory' });
  const { doctor } = stand([moving]);
  const refused = await failure(doctor.examine(ALL));
  assert.is(refused.code, 'LINK_BUSY');
  assert.match(refused.remedy, /--no-bandwidth, or --force/);
  await doctor.examine({ ...ALL, bandwidth: false });
  await doctor.examine({ ...ALL, force: true });
  await stand([{ ...moving, step: 'moved' }]).doctor.examine(ALL);
  await stand([{ ...moving, from: 'gamma' }]).doctor.examine(ALL);
});

test('the path is looked at to where packets are sent: the address, or where WireGuard listens, in a cloud or outside', async () => {
  const pathsOf = async (...places: readonly UnderlayMember[]): Promise<readonly (string | null)[]> => {
    const { doctor, paths } = stand([], places);
    const { isEncrypted } = await doctor.examine({ ...ALL, bandwidth: false });
    assert.is(isEncrypted, places.length === 2);
    return paths;
  };
  const place = (node: string, cloud: string, outer?: string): UnderlayMember => ({
    ...{ node, cloud, address: '10.99.0.1', keys: ['key'], inner: { address: `10.1.0.${node.length}`, port: 51_820 } },
    ...(outer !== undefined && { outer: { address: outer, port: 51_820 } }),
  });
  const addresses = ['beta', 'alpha'].map((node) => new FakeCluster().nodeOf(node).address);
  assert.equal(await pathsOf(), addresses);
  assert.equal(await pathsOf(place('alpha', 'one')), addresses);
  assert.equal(await pathsOf(place('alpha', 'one'), place('beta', 'one')), ['10.1.0.4', '10.1.0.5']);
  assert.equal(await pathsOf(place('alpha', 'one'), place('beta', 'two', '203.0.113.2')), ['203.0.113.2', null]);
});

test('one node twice, and one that is not there', async () => {
  const { doctor } = stand();
  assert.is((await failure(doctor.examine({ ...ALL, b: 'alpha' }))).code, 'SAME_NODE');
  assert.is((await failure(doctor.examine({ ...ALL, b: 'delta' }))).code, 'CLOUD_UNKNOWN');
});

test.run();
