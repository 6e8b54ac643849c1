// Comparing flows: what a switch answers to what was sent is no difference, every real difference is found and mended.
import {
  applyActions,
  decode,
  EncodeError,
  encode,
  ethAddress,
  type FlowMod,
  type FlowStats,
  gotoTable,
  output,
  setField,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { closeGate, gateFlows, openGate } from '../../../sdnd/agent/gate.ts';
import { type Flow, flowEffect, flowsByKey, hasSameEffect } from '../../../sdnd/flow.ts';
import { describeDiff, diffFlows, flowMods } from '../../../sdnd/flow-diff.ts';
import { isAgentCookie, Table } from '../../../sdnd/pipeline.ts';
import { Random } from '../openflow/random.ts';
import { bindingOf, NODES, portsOf, randomBindings, viewOf, wantedFlows } from './overlay-maker.ts';

const mac = ethAddress('02:88:00:00:00:01');
const flow: Flow = {
  tableId: Table.route,
  priority: 200,
  match: { reg0: 0, ethDst: mac },
  instructions: [applyActions(setField('reg1', 7)), gotoTable(Table.forward)],
  cookie: 5n,
};

function diff(wanted: readonly Flow[], installed: readonly Flow[]): FlowMod[] {
  return flowMods(diffFlows(flowsByKey(wanted), flowsByKey(installed)));
}

/** The flow as a switch tells it: through the codec and back, with counters. */
function told({ tableId, priority, match, instructions, cookie }: Flow): FlowStats {
  const counters = { durationSec: 1, durationNsec: 2, idleTimeoutSec: 0, hardTimeoutSec: 0, flags: 0 };
  const stats = { tableId, priority, match, instructions, cookie, ...counters, packetCount: 3n, byteCount: 4n };
  const reply = decode(encode({ type: 'multipart-reply', part: 'flow', more: false, flows: [stats] }, 1));
  if (reply.kind !== 'message' || reply.message.type !== 'multipart-reply' || reply.message.part !== 'flow') {
    throw new EncodeError('out-of-range', 'the reply does not come back');
  }
  const [first] = reply.message.flows;
  if (first === undefined) throw new RangeError('the flow does not come back');
  return first;
}

test('what a switch tells of wanted flows is no difference', () => {
  const random = new Random(4);
  const bindings = randomBindings(random);
  const view = viewOf(bindings, [bindingOf('g0', 'n1', 2)]);
  for (const node of NODES) {
    const wanted = wantedFlows(view, { node, ports: portsOf(node) });
    assert.ok(wanted.length > 8);
    assert.is(flowsByKey(wanted).size, wanted.length, 'no two wanted flows have one key');
    assert.equal(diff(wanted, wanted.map(told)), []);
  }
});

test('the order of a match and what an output says of lengths are no difference', () => {
  const one = { ...flow, instructions: [applyActions(output(7, 0))] };
  const other = { ...flow, match: { ethDst: mac, reg0: 0 }, instructions: [applyActions(output(7))] };
  assert.equal(diff([one], [other]), []);
});

test('another action, goto, cookie, mask or priority is a difference', () => {
  const others: Flow[] = [
    { ...flow, instructions: [applyActions(setField('reg1', 8)), gotoTable(4)] },
    { ...flow, instructions: [applyActions(setField('reg1', 7)), gotoTable(5)] },
    { ...flow, instructions: [] },
    { ...flow, cookie: 6n },
  ];
  for (const other of others) {
    const mods = diff([flow], [other]);
    assert.equal(
      mods.map(({ command }) => command),
      ['add'],
    );
  }
  for (const other of [
    { ...flow, priority: 201 },
    { ...flow, match: { ethDst: mac } },
    { ...flow, match: { ...flow.match, tunnelId: { value: 8n, mask: 8n } } },
  ]) {
    const mods = diff([flow], [other]);
    assert.equal(
      mods.map(({ command }) => command),
      ['add', 'delete-strict'],
    );
  }
});

test('two effects are the same when their texts are, whatever differs', () => {
  const random = new Random(6);
  const view = viewOf(randomBindings(random), [bindingOf('g0', 'n1', 2)]);
  const flows = NODES.flatMap((node) => wantedFlows(view, { node, ports: portsOf(node) }));
  const others = [...flows.map(told), ...flows.map((one) => ({ ...one, hardTimeoutSec: 5 }))];
  let same = 0;
  for (const one of flows) {
    for (const other of others) {
      const isSame = flowEffect(one) === flowEffect(other);
      assert.is(hasSameEffect(one, other), isSame, `${flowEffect(one)} and ${flowEffect(other)}`);
      same += Number(isSame);
    }
  }
  assert.ok(same >= flows.length && same < (flows.length * others.length) / 2);
});

test('adds come before deletes, later tables are filled first and emptied last', () => {
  const at = (tableId: number): Flow => ({ ...flow, tableId, cookie: BigInt(tableId) });
  const mods = diff([at(0), at(4), at(2)], [at(3), at(1)]);
  assert.equal(
    mods.map(({ command, tableId }) => `${command} ${tableId}`),
    ['add 4', 'add 2', 'add 0', 'delete-strict 1', 'delete-strict 3'],
  );
});

test('a deletion names the very entry that was seen', () => {
  const [mod] = diff([], [flow]);
  assert.is(mod?.cookie, 5n);
  assert.is(mod?.cookieMask, 2n ** 64n - 1n);
  assert.is(mod?.priority, 200);
  assert.equal(mod?.match, flow.match);
});

test('differences are told in words', () => {
  const installed = flowsByKey([
    { ...flow, cookie: 9n },
    { ...flow, priority: 1 },
  ]);
  const words = describeDiff(diffFlows(flowsByKey([flow, { ...flow, tableId: Table.forward }]), installed), installed);
  assert.equal(
    words.map((line) => line.split(' ').slice(0, 3).join(' ')),
    ['missing: forward table=6', 'different: route table=5', 'too much: route'],
  );
});

test('a gate is two flows of the agent, put and taken as such', () => {
  assert.ok(gateFlows(4096).every(({ cookie }) => isAgentCookie(cookie)));
  assert.equal(diff(gateFlows(4096), gateFlows(4096).map(told)), []);
  const keys = (mods: readonly FlowMod[]): string[] =>
    mods.map(({ tableId, match }) => `${tableId} ${Object.keys(match)}`);
  assert.equal(keys(openGate(4096)), ['10 reg1', '0 inPort']);
  assert.equal(keys(closeGate(4096)), ['0 inPort', '10 reg1']);
  assert.ok(closeGate(4096).every(({ command, cookieMask }) => command === 'delete-strict' && cookieMask > 0n));
});

test.run();
