// The controller is killed between a move's record and the switches. After its restart the old place sends on what comes late, as
// it would have, for a switch that has not had its turn yet still sends everything there.

import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { Fixture } from './controller-fixture.ts';
import { addressOf, bindingOf, ipFrame, portNoOf, portsOf } from './overlay-maker.ts';
import { type MeshNode, walkMesh } from './table-walk.ts';

const MIGRATION = 'a'.repeat(16);
const FROM = bindingOf('g1', 'n2');
/** g0 runs at n1: its gate there is open, and at n0 closed. */
const OPEN = [
  { node: 'n2', owner: 'g1' },
  { node: 'n1', owner: 'g0' },
];

function arrives(fixtures: Record<string, Fixture>): string[] {
  const mesh: MeshNode[] = Object.entries(fixtures).map(([node, fixture]) => ({
    ...{ node, address: ipv4(addressOf(node)), ports: portsOf(node) },
    flows: [
      ...(fixture.switches.get(node)?.peer.flows.values() ?? []),
      ...OPEN.filter((port) => port.node === node).flatMap((port) => gateFlows(portNoOf(port))),
    ],
  }));
  return walkMesh(mesh, 'n2', ipFrame(FROM, bindingOf('g0', 'n1').mac)).map(({ node }) => node);
}

for (const hasNeighbour of [false, true]) {
  test(`the old place sends on after a kill${hasNeighbour ? ', beside another guest' : ''}`, async () => {
    const life = new Fixture();
    await life.connect('n0', 'n1', 'n2');
    await life.begin();
    await life.call('binding.set', { binding: FROM });
    if (hasNeighbour) await life.call('binding.set', { binding: bindingOf('g2', 'n0') });
    await life.tellAll();
    await life.call('migration.prepare', { migration: MIGRATION, to: bindingOf('g0', 'n1', 2) });
    assert.equal(arrives({ n0: life, n1: life, n2: life }), ['n1'], 'moved, and nobody told the controller');
    // The record is durable, and the process is killed before a byte goes to a switch. n2 is not back for a while.
    const completed = { kind: 'completed', migration: MIGRATION, atMs: life.clock.wallMs() } as const;
    const next = new Fixture([...life.journal, completed]);
    for (const node of ['n0', 'n1']) await next.connectFrom(life, node);
    assert.equal(arrives({ n0: next, n1: next, n2: life }), ['n1']);
    await next.tellAll();
    assert.equal(arrives({ n0: next, n1: next, n2: life }), ['n1'], 'once all is told');
    await next.connectFrom(life, 'n2');
    await next.pass(6_000);
    assert.equal(arrives({ n0: next, n1: next, n2: next }), ['n1'], 'n2 knows');
    for (const one of [life, next]) one.close();
  });
}

test('of a move that was completed long before nothing is sent on', () => {
  const moved = [
    { kind: 'bound', binding: bindingOf('g0', 'n0') },
    { kind: 'prepared', migration: MIGRATION, to: bindingOf('g0', 'n1', 2) },
    { kind: 'completed', migration: MIGRATION, atMs: 1_000_000 },
  ] as const;
  assert.is(new Overlay(moved, 1_000_000 + 10_000).departures.size, 1);
  assert.is(new Overlay(moved, 1_000_000 + 3_600_000).departures.size, 0);
});

test.run();
