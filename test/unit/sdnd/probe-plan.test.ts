// Whom the nodes of a large overlay probe: few, whatever there are, both ends alike, and of a change few hear.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { GuestIndex } from '../../../sdnd/forwarding/guest-index.ts';
import { Mesh } from '../../../sdnd/mesh/mesh.ts';
import { CLOSE_MAX, ProbePlan, RING_REACH } from '../../../sdnd/topology/probe-plan.ts';
import { Random } from '../openflow/random.ts';

/** So many nodes; the first `gateways` of them send on. */
function meshOf(count: number, gateways = 0): Mesh {
  const feet = (number: number) => [{ underlay: 'mesh', inner: `10.64.${number >> 8}.${number & 255}` }];
  return new Mesh(
    Array.from({ length: count }, (_, number) => ({
      ...{ node: `n${number}`, feet: feet(number) },
      ...(number < gateways && { isGateway: true }),
    })),
  );
}

function place(guests: GuestIndex, owner: string, node: string, tenant: number): void {
  const binding = { owner, node, tenant, mac: '02:00:00:00:00:01', ip: '10.88.0.1', port: owner, epoch: 1 };
  guests.set(owner, { binding, prepared: undefined, departed: undefined, connections: [] });
}

/** Each of so many tenants has a guest at thirty nodes. */
function guestsOf(nodes: number, tenants: number): GuestIndex {
  const [guests, random] = [new GuestIndex(), new Random(9)];
  for (let tenant = 1; tenant <= tenants; tenant++) {
    for (let at = 0; at < 30; at++) place(guests, `t${tenant}-${at}`, `n${random.below(nodes)}`, tenant);
  }
  return guests;
}

function linksOf(plan: ProbePlan, nodes: readonly string[]): Set<string> {
  return new Set(
    nodes.flatMap((node) => plan.peersOf(node).map(({ node: peer, isClose }) => `${node} ${peer} ${isClose}`)),
  );
}

test('in a small overlay each probes all, and those of its networks often', () => {
  const guests = new GuestIndex();
  place(guests, 'a', 'n0', 1);
  place(guests, 'b', 'n3', 1);
  const peers = new ProbePlan(meshOf(2 * RING_REACH + 1), guests).peersOf('n0');
  assert.is(peers.length, 2 * RING_REACH);
  assert.equal(
    peers.filter(({ isClose }) => isClose).map(({ node }) => node),
    ['n3'],
  );
});

test('in a large one what a node probes is bounded by its networks, and both ends of a link do alike', () => {
  const [mesh, guests] = [meshOf(500), guestsOf(500, 100)];
  const plan = new ProbePlan(mesh, guests);
  const nodes = mesh.nodes.map(({ node }) => node);
  let most = 0;
  for (const node of nodes) {
    const peers = plan.peersOf(node);
    const sharing = new Set([...guests.tenantsAt(node)].flatMap((tenant) => [...guests.nodesOf(tenant)]));
    assert.ok(peers.length <= sharing.size + 2 * RING_REACH, `${node} probes ${peers.length}`);
    assert.ok(peers.filter(({ isClose }) => isClose).length <= CLOSE_MAX);
    most = Math.max(most, sharing.size);
  }
  assert.ok(most > CLOSE_MAX, 'some have more in their networks than they probe often');
  const links = linksOf(plan, nodes);
  for (const link of links) {
    const [one, other, isClose] = link.split(' ');
    assert.ok(links.has(`${other} ${one} ${isClose}`), link);
  }
});

test('a network that comes to one more node changes little of what others probe', () => {
  const [mesh, guests] = [meshOf(300), guestsOf(300, 60)];
  const nodes = mesh.nodes.map(({ node }) => node);
  const before = linksOf(new ProbePlan(mesh, guests), nodes);
  const revision = guests.revision;
  const newcomer = nodes.find((node) => !guests.nodesOf(1).has(node)) ?? '';
  place(guests, 'late', newcomer, 1);
  assert.ok(guests.revision > revision);
  const after = linksOf(new ProbePlan(mesh, guests), nodes);
  const changed = [...before].filter((link) => !after.has(link)).length;
  // At each end of each of its thirty new links one other at the most is let go of, at both of its ends.
  assert.ok(changed <= 2 * 2 * 30 + 2 * 30, `${changed} links are others`);
});

test('a gateway is probed by all that reach it, often where guests depend on it', () => {
  const [mesh, guests] = [meshOf(200, 2), guestsOf(200, 40)];
  const plan = new ProbePlan(mesh, guests);
  assert.is(plan.peersOf('n0').length, 199);
  for (const node of ['n7', 'n150'])
    assert.equal(plan.peersOf(node).filter((peer) => ['n0', 'n1'].includes(peer.node)).length, 2);
});

test.run();
