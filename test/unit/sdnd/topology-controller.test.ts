// The topology at the controller: whom each node is told to probe, whose session counts, and what the mesh hears of it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { DOWN_MS, measuredLinks } from '../../../sdnd/topology/measured-links.ts';
import type { LinkFigures } from '../../../sdnd/topology/peer-link.ts';
import { Topology } from '../../../sdnd/topology/topology.ts';
import type { MeshLink, OverlayMember } from '../../../wire/contracts/sdnd.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';
import { addressOf, bindingOf, NODES } from './overlay-maker.ts';

const HEARD = { hearing: 'heard', isHeard: true, variationMs: 0, loss: 0, provedBytes: 1_344 } as const;

function figures(peer: string, roundTripMs: number | null, change: Partial<LinkFigures> = {}): LinkFigures {
  return { ...HEARD, peer, roundTripMs, ...change };
}

/** Four nodes, of which n0 and n1 share a network; the last may be a gateway. */
function stand(change: Partial<OverlayMember> = {}, doubled: readonly OverlayMember[] = []) {
  const plain = NODES.map((node) => ({ node, address: addressOf(node), ...(node === 'n3' && change) }));
  const members = doubled.length > 0 ? [...doubled] : plain;
  const overlay = new Overlay([{ kind: 'members', members }]);
  overlay.apply({ kind: 'bound', binding: bindingOf('g0', 'n0') });
  overlay.apply({ kind: 'bound', binding: bindingOf('g1', 'n1') });
  const clock = new TurnedClock();
  const measured: MeshLink[][] = [];
  const setLinks = (links: MeshLink[]): void => {
    measured.push(links);
    overlay.apply({ kind: 'links', links });
  };
  /** What its controller says. */
  const known = { withoutFlows: new Set<string>(), withoutSwitch: new Set<string>(), waits: false };
  const hasFlows = (node: string): boolean => !known.withoutFlows.has(node);
  const hasSwitch = (node: string): boolean => !known.withoutSwitch.has(node);
  const topology = new Topology({
    overlay,
    setLinks,
    hasFlows,
    hasSwitch,
    waits: () => known.waits,
    clock,
    log: quiet,
  });
  topology.overlayChanged();
  const told: string[] = [];
  const join = (node: string, ...all: LinkFigures[]) => {
    const end = new AbortController();
    const over = topology.join(
      node,
      all,
      (peers) => told.push(`${node}: ${peers.map((peer) => peer.node + (peer.isClose ? '!' : '')).join(' ')}`),
      end.signal,
    );
    return async (): Promise<void> => {
      end.abort();
      await over;
    };
  };
  const verdict = (): string | undefined => topology.view.links.find(({ a, b }) => a === 'n0' && b === 'n1')?.verdict;
  return { overlay, clock, topology, measured, told, join, verdict, known };
}

test('nodes whose switch is not in session are named', () => {
  const { topology, known } = stand();
  known.withoutSwitch.add('n1');
  const without = topology.view.nodes.filter(({ hasSwitch }) => !hasSwitch);
  assert.equal(
    without.map(({ node }) => node),
    ['n1'],
  );
});

const foot = (underlay: string, host: number) => ({ underlay, inner: `10.0.0.${host}`, outer: `192.0.2.${host}` });
const inside = (host: number) => ({ underlay: 'home', inner: `10.0.9.${host}`, port: 'vxlan1' });
/** n1 is in a private network, of which n2 and n3 are gateways. */
const DOUBLED: readonly OverlayMember[] = [
  { node: 'n0', address: '192.0.2.1', feet: [foot('a', 1)] },
  { node: 'n1', address: '10.0.9.2', feet: [{ ...inside(2), port: 'vxlan0' }] },
  { node: 'n2', address: '192.0.2.3', feet: [foot('b', 3), inside(3)], isGateway: true },
  { node: 'n3', address: '192.0.2.4', feet: [foot('c', 4), inside(4)], isGateway: true },
];

test('each is told the others, which of them are close, and again only when that changes', () => {
  const { overlay, clock, topology, told, join } = stand();
  join('n0');
  join('n2');
  assert.equal(told, ['n0: n1! n2 n3', 'n2: n0 n1 n3']);
  overlay.apply({ kind: 'bound', binding: bindingOf('g2', 'n2') });
  topology.overlayChanged();
  overlay.apply({ kind: 'unbound', owner: 'g1' });
  topology.overlayChanged();
  clock.turn(100);
  topology.overlayChanged();
  clock.turn(100);
  assert.equal(told.slice(2), ['n0: n1 n2! n3', 'n2: n0! n1 n3']);
});

test('a link that nobody measured is shown unknown where a network needs it; a judged one is unheard without sessions, never down', async () => {
  const { topology, join, verdict } = stand();
  assert.is(verdict(), 'unknown');
  const leave = [join('n0', figures('n1', 10)), join('n1', figures('n0', 20))];
  assert.is(verdict(), 'up');
  await leave[1]?.();
  assert.is(verdict(), 'up');
  topology.report('n0', [figures('n1', 10, { hearing: 'silent' })]);
  assert.is(verdict(), 'unheard');
  assert.equal(
    topology.view.nodes.map(({ reports }) => reports),
    [true, false, false, false],
  );
  join('n1', figures('n0', 20));
  assert.is(verdict(), 'down');
});

test('a session that is over late does not end the one after it; without one nothing is reported', async () => {
  const { topology, join } = stand();
  const first = join('n0');
  join('n0');
  await first();
  assert.equal(topology.report('n0', []), {});
  assert.throws(() => topology.report('n1', []), /before it has joined/);
});

test('who is no member any more is forgotten with all links', () => {
  const { overlay, topology, join, verdict } = stand();
  join('n0', figures('n1', 10));
  join('n1', figures('n0', 10));
  assert.is(verdict(), 'up');
  overlay.apply({ kind: 'members', members: [{ node: 'n0', address: addressOf('n0') }] });
  topology.overlayChanged();
  assert.equal(topology.view.links, []);
  assert.equal(topology.report('n1', []), {});
});

test('without gateways the mesh hears nothing; with one, of a cut at once and of a latency later', () => {
  const plain = stand();
  plain.join('n0', figures('n1', 10));
  plain.join('n1', figures('n0', 10));
  plain.clock.turn(10_000);
  assert.equal(plain.measured, []);

  const { clock, topology, measured, join } = stand({ isGateway: true });
  join('n0', figures('n1', 10));
  join('n1', figures('n0', 10));
  assert.equal(measured, [[{ a: 'n0', b: 'n1', latencyMs: 5 }]]);
  topology.report('n0', [figures('n1', 90)]);
  assert.is(measured.length, 1);
  clock.turn(5_000);
  assert.equal(measured[1], [{ a: 'n0', b: 'n1', latencyMs: 25 }]);
  topology.report('n0', [figures('n1', 90, { hearing: 'silent' })]);
  assert.equal(measured[2], [{ a: 'n0', b: 'n1', latencyMs: DOWN_MS }]);
});

test('a link that is down is gone round over a gateway, and is the way where there is no other', () => {
  const { overlay, topology, join } = stand({ isGateway: true });
  join('n0', figures('n1', 10, { hearing: 'silent' }), figures('n3', 4));
  join('n1', figures('n0', 10), figures('n3', 4));
  join('n3', figures('n0', 4), figures('n1', 4, { hearing: 'silent' }));
  assert.equal(overlay.mesh.path('n0', 'n1'), ['n1'], 'both ways are down');
  topology.report('n3', [figures('n1', 4)]);
  assert.equal(overlay.mesh.path('n0', 'n1'), ['n3', 'n1']);
  assert.equal(topology.view.links.find(({ a, b }) => a === 'n0' && b === 'n1')?.via, ['n3']);
});

test('a gateway that dies is relieved by the other one, and is taken again once its switch has its flows', async () => {
  const { overlay, topology, join, known } = stand({}, DOUBLED);
  const way = (): readonly string[] => [...overlay.mesh.path('n0', 'n1'), ...overlay.mesh.path('n1', 'n0')];
  join('n0', figures('n2', 4), figures('n3', 40));
  join('n1', figures('n2', 4), figures('n3', 40));
  join('n3', figures('n0', 40), figures('n1', 40));
  const leave = join('n2', figures('n0', 4), figures('n1', 4));
  assert.equal(way(), ['n2', 'n1', 'n2', 'n0']);
  await leave();
  assert.equal(way(), ['n2', 'n1', 'n2', 'n0'], 'the end of a session is not the end of a gateway');
  topology.report('n0', [figures('n2', 4, { hearing: 'silent' })]);
  assert.equal(way(), ['n3', 'n1', 'n3', 'n0']);
  const shown = topology.view.links.filter(({ b }) => b === 'n2').map(({ a, verdict }) => `${a} ${verdict}`);
  assert.equal(shown, ['n0 unheard', 'n1 up']);
  topology.report('n1', [figures('n2', 4, { hearing: 'silent' })]);
  known.withoutFlows.add('n2');
  join('n2', figures('n0', 4), figures('n1', 4));
  for (const node of ['n0', 'n1']) topology.report(node, [figures('n2', 4)]);
  assert.equal(way(), ['n3', 'n1', 'n3', 'n0'], 'it is heard, and would send nothing on');
  known.withoutFlows.clear();
  topology.switchReady('n2');
  assert.equal(way(), ['n2', 'n1', 'n2', 'n0']);
});

test('of two nodes that meet over gateways each is close to all that may be between them', () => {
  const { told, join } = stand({}, DOUBLED);
  for (const node of NODES) join(node);
  assert.equal(told, ['n0: n2! n3!', 'n1: n2! n3!', 'n2: n0! n1! n3', 'n3: n0! n1! n2']);
});

test('while members and guests are being told nobody hears whom to probe, and then everybody', () => {
  const { clock, topology, told, join, known } = stand();
  known.waits = true;
  join('n0');
  topology.overlayChanged();
  clock.turn(100);
  assert.equal(told, []);
  known.waits = false;
  topology.overlayChanged();
  clock.turn(100);
  assert.equal(told, ['n0: n1! n2 n3']);
});

test('what is nearly known already changes nothing, and what is unknown takes nothing back', () => {
  const known: MeshLink[] = [{ a: 'n0', b: 'n1', latencyMs: 100 }];
  const links = { loss: 0, provedBytes: 0, isUnheard: false };
  const state = { nodes: ['n0', 'n1'], verdict: 'up', roundTripMs: 235, ...links } as const;
  assert.is(measuredLinks([state], known), undefined);
  assert.is(measuredLinks([{ ...state, verdict: 'unknown', roundTripMs: 5 }], known), undefined);
  assert.equal(measuredLinks([{ ...state, isUnheard: true }], known), [{ a: 'n0', b: 'n1', latencyMs: DOWN_MS }]);
  assert.equal(measuredLinks([{ ...state, roundTripMs: 300 }], known), [{ a: 'n0', b: 'n1', latencyMs: 150 }]);
});

test.run();
