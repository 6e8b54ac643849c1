// The links as the orchestrator keeps them: asked for, kept while the overlay's controller is away, looked up by pair.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Reachable } from '../../../common/underlay-reach.ts';
import { Topology } from '../../../orchestrator/network/topology.ts';
import type { TopologyLink } from '../../../wire/contracts/topology.ts';
import { failure, quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { FakeCluster } from './fake-cluster.ts';

const LINK: TopologyLink = {
  ...{ a: 'alpha', b: 'beta', verdict: 'up', roundTripMs: 75, loss: 0, provedBytes: 1_344, isShared: true, via: [] },
};
const LINKS: TopologyLink[] = [
  LINK,
  { ...LINK, b: 'gamma', verdict: 'down' },
  { ...LINK, a: 'beta', b: 'gamma', verdict: 'unknown', roundTripMs: null },
];

function stand(members: readonly Reachable[] = [], away: readonly string[] = []) {
  const cluster = new FakeCluster();
  cluster.sdnd.answers['links.show'] = () => ({
    nodes: [{ node: 'alpha', reports: true, hasSwitch: true }],
    links: LINKS,
  });
  const nodes = () => ['alpha', 'beta'].map((node) => ({ node, cloud: `cloud-${node}`, up: true }));
  const clock = new TurnedClock(5_000);
  const seen: (readonly TopologyLink[])[] = [];
  const underlay = { members, away };
  const topology = new Topology({
    cluster,
    nodes,
    underlay,
    seen: (links) => void seen.push(links),
    clock,
    log: quiet,
  });
  return { cluster, clock, topology, seen };
}

test('each look asks; what was known is shown, and of when, while nobody answers', async () => {
  const { cluster, clock, topology, seen } = stand();
  cluster.sdnd.isAway = true;
  assert.equal((await topology.show()).takenAtMs, null);
  assert.equal(seen, []);
  cluster.sdnd.isAway = false;
  const shown = await topology.show();
  assert.equal(shown.nodes, [
    { node: 'alpha', cloud: 'cloud-alpha', up: true, reports: true, hasSwitch: true },
    { node: 'beta', cloud: 'cloud-beta', up: true, reports: false, hasSwitch: false },
  ]);
  assert.equal(
    shown.links,
    LINKS.map((link) => ({ ...link, encrypted: false })),
  );
  assert.equal(seen, [LINKS]);
  cluster.sdnd.isAway = true;
  clock.turn(9_000);
  assert.is((await failure(topology.look())).code, 'UNREACHABLE');
  assert.equal(await topology.show(), { ...shown, takenAtMs: 5_000 });
});

test('of two nodes that nobody can send to it is shown who relays between them', async () => {
  const members = [
    { node: 'alpha', cloud: 'one' },
    { node: 'beta', cloud: 'two' },
    { node: 'delta', cloud: 'four', outer: {} },
    { node: 'gamma', cloud: 'three', outer: {} },
  ];
  const shown = async (away: readonly string[]) => (await stand(members, away).topology.show()).links;
  assert.ok((await shown([])).every(({ encrypted }) => encrypted));
  const relays = async (away: readonly string[]): Promise<unknown[]> => (await shown(away)).map(({ relay }) => relay);
  assert.equal(await relays(['delta']), ['gamma', undefined, undefined]);
  assert.equal(await relays(['gamma']), ['delta', undefined, undefined]);
});

test('a round trip is found in either order, is none where nothing gets through, and is not made up', async () => {
  const { topology } = stand();
  assert.is(topology.roundTripMs('alpha', 'beta'), undefined);
  await topology.look();
  assert.is(topology.roundTripMs('beta', 'alpha'), 75);
  assert.is(topology.roundTripMs('alpha', 'gamma'), Number.POSITIVE_INFINITY);
  assert.is(topology.roundTripMs('gamma', 'beta'), undefined);
  assert.is(topology.roundTripMs('gamma', 'gamma'), 0);
});

test.run();
