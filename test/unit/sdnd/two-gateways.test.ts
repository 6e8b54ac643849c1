// Two gateways of one private network: whichever lies on the way, the other has the same flows already, so that a way may
// change at the switches in any order.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Flow, flowEffect, flowKey } from '../../../sdnd/flow.ts';
import type { OverlayView } from '../../../sdnd/forwarding/view.ts';
import { Mesh } from '../../../sdnd/mesh/mesh.ts';
import type { MeshNode } from '../../../sdnd/mesh/underlay.ts';
import { Origin, Table } from '../../../sdnd/pipeline.ts';
import { bindingOf, viewOf, wantedFlows } from './overlay-maker.ts';

const cloud = (underlay: string, host: number) => ({ underlay, inner: `10.0.0.${host}`, outer: `192.0.2.${host}` });
const home = (host: number, port: string) => ({ underlay: 'home', inner: `10.0.9.${host}`, port });

const NODES: readonly MeshNode[] = [
  { node: 'n0', feet: [cloud('a', 1)] },
  { node: 'n1', feet: [home(2, 'vxlan0')] },
  { node: 'n2', feet: [cloud('b', 3), home(3, 'vxlan1')], isGateway: true },
  { node: 'n3', feet: [cloud('c', 4), home(4, 'vxlan1')], isGateway: true },
];
const PORTS = new Map([
  ['vxlan0', 1],
  ['vxlan1', 2],
  ['g0', 0x1000],
  ['g1', 0x1001],
]);

/** A guest on either side; the quicker way is over that gateway. */
function viewOver(gateway: string): OverlayView {
  const links = ['n2', 'n3'].flatMap((node) =>
    ['n0', 'n1'].map((a) => ({ a, b: node, latencyMs: node === gateway ? 1 : 50 })),
  );
  return { ...viewOf([bindingOf('g0', 'n0'), bindingOf('g1', 'n1')]), mesh: new Mesh(NODES, links) };
}

function flowsAt(node: string, gateway: string): Flow[] {
  return wantedFlows(viewOver(gateway), { node, ports: PORTS });
}

function inWords(flows: readonly Flow[]): string[] {
  return flows.map((flow) => `${flowKey(flow)} ${flowEffect(flow)}`).sort();
}

/** For how many guests a switch sends on what comes out of a tunnel. */
function sentOn(flows: readonly Flow[]): number {
  return flows.filter(({ tableId, match }) => tableId === Table.forward && match.reg0 === Origin.tunnel).length;
}

test('what each gateway sends on is the same, whichever of them lies on the way', () => {
  for (const node of ['n2', 'n3']) {
    assert.equal(inWords(flowsAt(node, 'n2')), inWords(flowsAt(node, 'n3')));
    assert.is(sentOn(flowsAt(node, 'n2')), 2, node);
  }
  for (const node of ['n0', 'n1']) assert.not.equal(inWords(flowsAt(node, 'n2')), inWords(flowsAt(node, 'n3')));
});

test('a gateway that will be on the way to a guest once it has moved sends there before anybody goes that way', () => {
  const to = bindingOf('g1', 'n1', 2);
  const view = {
    ...viewOf([bindingOf('g0', 'n0'), bindingOf('g1', 'n3')], [to]),
    mesh: viewOver('n2').mesh,
  };
  const flows = wantedFlows(view, { node: 'n2', ports: PORTS });
  const sent = flows.filter(({ tableId, match }) => tableId === Table.forward && match.ethDst === to.mac);
  assert.is(sent.length, 1);
  assert.match(inWords(sent)[0] ?? '', new RegExp(`value:${ipv4('10.0.9.2')}`), 'to where it will be');
});

test('a gateway that leads elsewhere holds nothing of them', () => {
  const strange: MeshNode = {
    node: 'n4',
    feet: [cloud('d', 5), { underlay: 'other', inner: '10.0.8.1' }],
    isGateway: true,
  };
  const mesh = new Mesh([...NODES, strange]);
  const flows = wantedFlows({ ...viewOver('n2'), mesh }, { node: 'n4', ports: PORTS });
  assert.is(sentOn(flows), 0);
  assert.not.ok(flows.some(({ match }) => match.reg2 !== undefined));
});

test.run();
