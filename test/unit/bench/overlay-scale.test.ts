// The parts of `bench overlay-scale`: its switch keeps and tells flows as the codec writes them, and its plan is what it says.
import { decode, EVERY_FLOW, encode, type FlowStats, type Message } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Overlay } from '../../../sdnd/controller/overlay.ts';
import { type Flow, flowsByKey } from '../../../sdnd/flow.ts';
import { diffFlows, flowMods } from '../../../sdnd/flow-diff.ts';
import { OverlayPlan } from '../../bench/scale/overlay-plan.ts';
import { OverlaySwitch } from '../../bench/scale/overlay-switch.ts';
import { Random } from '../openflow/random.ts';
import { bindingOf, portsOf, randomBindings, viewOf, wantedFlows } from '../sdnd/overlay-maker.ts';

const NOTHING: ReadonlyMap<string, Flow> = new Map();

function answersOf(one: OverlaySwitch, message: Message): Message[] {
  return one.take(Buffer.from(encode(message, 7))).map((bytes) => {
    const answer = decode(bytes);
    if (answer.kind !== 'message') throw new Error(answer.kind);
    assert.is(answer.xid, 7);
    return answer.message;
  });
}

function tellFlows(one: OverlaySwitch): FlowStats[] {
  const answers = answersOf(one, { type: 'multipart-request', part: 'flow', more: false, ...EVERY_FLOW });
  const parts = answers.flatMap((answer) =>
    answer.type === 'multipart-reply' && answer.part === 'flow' ? [answer] : [],
  );
  assert.equal(
    parts.map(({ more }) => more),
    parts.map((_, index) => index < parts.length - 1),
  );
  return parts.flatMap(({ flows }) => [...flows]);
}

test('its switch has what it was sent, however the bytes come, and tells it as the codec would', () => {
  const view = viewOf(randomBindings(new Random(3)), [bindingOf('g0', 'n1', 2)]);
  const wanted = flowsByKey(wantedFlows(view, { node: 'n0', ports: portsOf('n0') }));
  const one = new OverlaySwitch(5, portsOf('n0'));
  const bytes = flowMods(diffFlows(wanted, NOTHING)).flatMap((mod) => [...encode(mod, 1)]);
  for (let at = 0; at < bytes.length; at += 11) one.take(Buffer.from(bytes.slice(at, at + 11)));
  assert.is(one.counts.mods, wanted.size);
  assert.equal(diffFlows(wanted, flowsByKey(tellFlows(one))), { puts: [], removals: [] });
  const [count] = answersOf(one, { type: 'multipart-request', part: 'aggregate', more: false, ...EVERY_FLOW });
  assert.ok(count?.type === 'multipart-reply' && count.part === 'aggregate' && count.flowCount === wanted.size);
  const [first] = wanted.values();
  assert.ok(first);
  for (const mod of flowMods({ puts: [], removals: [first] })) one.take(Buffer.from(encode(mod, 1)));
  assert.is(tellFlows(one).length, wanted.size - 1);
});

test('a large table is told in several messages, and all of it', () => {
  const one = new OverlaySwitch(5, portsOf('n0'));
  const flows = Array.from({ length: 3_000 }, (_, number): Flow => {
    return { tableId: 3, priority: number, match: { inPort: number }, instructions: [], cookie: BigInt(number) };
  });
  for (const mod of flowMods({ puts: flows, removals: [] })) one.take(Buffer.from(encode(mod, 1)));
  assert.equal(diffFlows(flowsByKey(flows), flowsByKey(tellFlows(one))), { puts: [], removals: [] });
});

test('its plan is the same each time; nobody has an address or a port twice, and every VM that moves has a port there', () => {
  const shape = { nodes: 70, networks: 8, vms: 50, moves: 10, seed: 4 };
  const [plan, again] = [new OverlayPlan(shape), new OverlayPlan(shape)];
  assert.equal(plan.records(), again.records());
  const overlay = new Overlay(plan.records().slice(0, 2));
  for (const binding of plan.bindings) {
    const record = overlay.bind(binding);
    assert.ok(record);
    overlay.apply(record);
  }
  assert.is(overlay.bindings.size, 400);
  assert.equal(
    plan.moves.map(({ isNewNode }) => isNewNode),
    plan.moves.map((_, index) => index % 2 === 1),
  );
  for (const [index, { to, isNewNode }] of plan.moves.entries()) {
    assert.ok(plan.portsOf(to.node).has(to.port));
    assert.is(overlay.guests.nodesOf(to.tenant ?? 1).has(to.node), !isNewNode);
    assert.ok(overlay.prepare(`${index}`.padStart(16, '0'), to));
  }
});

test.run();
