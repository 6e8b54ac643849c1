// Keeping a switch at its wanted flows: differences only, repairs, and no more than it can take.
import { applyActions, ipv4, NX_RESUBMIT_IN_PORT, setField } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import { SwitchReconciler, type Wanted } from '../../../sdnd/controller/switch-reconciler.ts';
import { SwitchWatch } from '../../../sdnd/controller/switch-watch.ts';
import type { Flow } from '../../../sdnd/flow.ts';
import { Table } from '../../../sdnd/pipeline.ts';
import { forgetZone } from '../../../sdnd/security/forget-zone.ts';
import { quiet } from '../common/members.ts';
import { Fixture, flowNo, flowsTo, wantedOf } from './reconciler-stand.ts';
import { portOf } from './switch-made-of-codec.ts';

test('a rule of a group that goes while a member comes is gone before, by its own confirmation', async () => {
  const fixture = new Fixture();
  const { reconciler } = fixture;
  const group = { reg2: 1, reg7: 5, reg8: 6 };
  const rule: Flow = { ...flowNo(1), tableId: Table.namedIn, match: group };
  const look = { type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId: Table.namedIn } as const;
  const member: Flow = {
    ...{ ...flowNo(2), tableId: Table.farIn, match: { reg2: 1, ethType: 0x0800, ipv4Src: ipv4('10.88.0.1') } },
    instructions: [applyActions(setField('reg7', 5), setField('reg8', 6), look)],
  };
  fixture.wanted = [...flowsTo(9), rule];
  await reconciler.connect(fixture, []);
  fixture.wanted = [...flowsTo(9), member];
  fixture.sent();
  await reconciler.update();
  assert.equal(
    [fixture.rounds, fixture.sent()],
    [
      [10, 1, 1],
      ['delete-strict 2', 'add 3'],
    ],
  );
});

test('it is current once it has confirmed all in this session, and not before, and not when something failed', async () => {
  const fixture = new Fixture();
  const { reconciler } = fixture;
  fixture.wanted = undefined;
  await reconciler.connect(fixture, []);
  assert.is(reconciler.isCurrent, false, 'nobody knows what is wanted');
  fixture.wanted = flowsTo(3);
  const updated = reconciler.update();
  assert.is(reconciler.isCurrent, false);
  await updated;
  assert.is(reconciler.isCurrent, true);
  fixture.isLost = true;
  await reconciler.verify();
  assert.is(reconciler.isCurrent, false);
  fixture.isLost = false;
  await reconciler.verify();
  assert.is(reconciler.isCurrent, true);
  reconciler.disconnect(fixture);
  assert.is(reconciler.isCurrent, false);
});

test('a new session is read and only differences are sent', async () => {
  const fixture = new Fixture();
  fixture.install(flowNo(0), flowNo(1, 7n), flowNo(9));
  await fixture.reconciler.connect(fixture, []);
  assert.equal(fixture.sent().sort(), ['add 2', 'add 3', 'delete-strict 10']);
  await fixture.reconciler.update();
  assert.equal(fixture.sent(), []);
  assert.is(fixture.reads, 1, 'a switch that is known is not read again');
});

/** Connections leave under this address. */
function leavingAs(address: string, port = 1): Flow {
  const nat = { type: 'nx-nat', flags: 1, addresses: { family: 'ipv4', min: ipv4(address) } } as const;
  const ct = { type: 'nx-ct', flags: 1, zone: 7, recircTable: 10, alg: 0, actions: [nat] } as const;
  const out = applyActions({ type: 'set-field', field: 'reg1', value: port }, ct);
  return { ...flowNo(0), instructions: [out] };
}

test('connections that leave under another address now are forgotten, and no others', async () => {
  const fixture = new Fixture();
  fixture.wanted = [leavingAs('198.51.100.7'), flowNo(1)];
  await fixture.reconciler.connect(fixture, []);
  fixture.wanted = [leavingAs('198.51.100.7', 2)];
  await fixture.reconciler.update();
  fixture.wanted = [];
  await fixture.reconciler.update();
  fixture.wanted = [leavingAs('198.51.100.7')];
  await fixture.reconciler.update();
  assert.equal(fixture.said, [], 'the port was away, and is back under another number');
  fixture.wanted = [leavingAs('198.51.100.8')];
  await fixture.reconciler.update();
  assert.equal(fixture.said, [forgetZone(7)]);
  // Also where it was changed while this switch was away.
  fixture.reconciler.disconnect(fixture);
  fixture.wanted = [leavingAs('198.51.100.9')];
  await fixture.reconciler.connect(fixture, []);
  assert.equal(fixture.said, [forgetZone(7), forgetZone(7)]);
});

test('a change is sent without reading, and a second session of the same flows sends nothing', async () => {
  const fixture = new Fixture();
  await fixture.reconciler.connect(fixture, []);
  fixture.sent();
  fixture.wanted = flowsTo(4);
  await fixture.reconciler.update();
  assert.equal(fixture.sent(), ['add 4']);
  fixture.reconciler.disconnect(fixture);
  await fixture.reconciler.update();
  await fixture.reconciler.connect(fixture, []);
  assert.equal(fixture.sent(), []);
});

test('what changed by hand is told and mended by the next look', async () => {
  const fixture = new Fixture();
  await fixture.reconciler.connect(fixture, []);
  fixture.sent();
  fixture.peer.flows.clear();
  fixture.install(...flowsTo(2), flowNo(20));
  const { differences, connected, flows } = await fixture.reconciler.verify();
  assert.equal([differences.length, connected, flows], [2, true, 3]);
  assert.equal(fixture.sent(), ['add 3', 'delete-strict 21']);
  fixture.peer.flows.clear();
  await fixture.pass(2_500);
  assert.equal(fixture.sent().length, 3);
  assert.equal((await fixture.reconciler.verify()).differences, []);
});

test('where there are too many entries to read them all each time, lost ones are noticed by their number', async () => {
  const fixture = new Fixture();
  await fixture.reconciler.connect(fixture, []);
  fixture.sent();
  fixture.entries = 1_000_000;
  await fixture.pass(2_500);
  assert.equal([fixture.reads, fixture.counts], [1, 1]);
  fixture.peer.flows.clear();
  fixture.install(...flowsTo(2));
  await fixture.pass(2_500);
  assert.equal(fixture.sent(), ['add 3']);
  fixture.peer.flows.clear();
  fixture.install(...flowsTo(2), flowNo(20));
  for (let passedMs = 0; passedMs < 45_000; passedMs += 2_500) await fixture.pass(2_500);
  assert.equal(fixture.sent(), [], 'as many as there should be');
  for (let passedMs = 0; passedMs < 5_000; passedMs += 2_500) await fixture.pass(2_500);
  assert.equal(fixture.sent(), ['add 3', 'delete-strict 21']);
});

test("there a stranger's entry is noticed by the number as well; what agents have is none of it", async () => {
  const fixture = new Fixture();
  fixture.install(...gateFlows(4096));
  await fixture.reconciler.connect(fixture, []);
  fixture.sent();
  fixture.entries = 1_000_000;
  fixture.install(...gateFlows(4097));
  await fixture.pass(2_500);
  assert.equal([fixture.reads, fixture.counts], [1, 1]);
  fixture.install(flowNo(20, 0n));
  await fixture.pass(2_500);
  assert.equal(fixture.sent(), ['delete-strict 21']);
});

test("an agent's flows are not the controller's business", async () => {
  const fixture = new Fixture();
  fixture.install(...gateFlows(4096));
  await fixture.reconciler.connect(fixture, []);
  assert.not.ok(fixture.sent().some((mod) => mod.startsWith('delete')));
  assert.is(fixture.peer.flows.size, 5);
});

test('a switch of a node that is no member is left alone', async () => {
  const fixture = new Fixture();
  fixture.install(flowNo(9));
  fixture.wanted = undefined;
  await fixture.reconciler.connect(fixture, []);
  assert.equal(fixture.sent(), []);
});

test('before anything is wanted a switch is not read, however much is told; then it is, once', async () => {
  const fixture = new Fixture();
  fixture.install(flowNo(0));
  fixture.wanted = undefined;
  await fixture.reconciler.connect(fixture, []);
  for (let told = 0; told < 5; told++) await fixture.reconciler.update();
  assert.is(fixture.reads, 0);
  fixture.wanted = flowsTo(3);
  await fixture.reconciler.update();
  assert.equal(fixture.sent().sort(), ['add 2', 'add 3']);
  assert.is(fixture.reads, 1);
});

test('a fault in what is wanted while the switch is away ends no comparison', async () => {
  const fixture = new Fixture();
  let isFaulty = true;
  const wanted = (): Wanted => {
    if (isFaulty) throw new RangeError('no such address');
    return wantedOf(flowsTo(3));
  };
  const watch = new SwitchWatch(fixture.clock, () => 0);
  const past = () => () => false;
  const reconciler = new SwitchReconciler('alpha', wanted, { past, watch, clock: fixture.clock, log: quiet });
  await reconciler.update();
  isFaulty = false;
  await reconciler.connect(fixture, []);
  assert.is(fixture.sent().length, 3);
});

test('a switch that is lost in the middle does not block and is read again', async () => {
  const fixture = new Fixture();
  await fixture.reconciler.connect(fixture, []);
  fixture.sent();
  fixture.wanted = flowsTo(4);
  fixture.isLost = true;
  await fixture.reconciler.update();
  fixture.reconciler.disconnect(fixture);
  fixture.isLost = false;
  await fixture.reconciler.connect(fixture, []);
  assert.equal(fixture.sent(), ['add 4']);
  assert.is(fixture.reads, 2);
});

test('the late end of an older session is nothing', async () => {
  const fixture = new Fixture();
  const older = new Fixture();
  await fixture.reconciler.connect(older, []);
  await fixture.reconciler.connect(fixture, []);
  assert.is(fixture.sent().length, 3, 'what the older session knew says nothing of this one');
  fixture.reconciler.disconnect(older);
  assert.ok(fixture.reconciler.connected);
});

test('a port is waited for, and not for ever', async () => {
  const fixture = new Fixture();
  await fixture.reconciler.connect(fixture, [portOf('vxlan0', 1)]);
  assert.ok(await fixture.reconciler.hasPort('vxlan0', 10));
  const found = fixture.reconciler.hasPort('vm-a', 1_000);
  await fixture.reconciler.port('add', portOf('vm-a', 4096));
  assert.ok(await found);
  const missing = fixture.reconciler.hasPort('vm-b', 1_000);
  await fixture.pass(1_000);
  assert.not.ok(await missing);
  await fixture.reconciler.port('delete', portOf('vm-a', 4096));
  const gone = fixture.reconciler.hasPort('vm-a', 1);
  await fixture.pass(1);
  assert.not.ok(await gone);
});

test.run();
