// The patience with flows that nobody explains: what was never wanted stays for a while, what is known to be past goes at once.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Fixture, flowNo, flowsTo } from './reconciler-stand.ts';

test('many flows that nobody explains are kept for ten minutes, new ones are added at once', async () => {
  const fixture = new Fixture();
  fixture.install(...flowsTo(20));
  fixture.wanted = [flowNo(0), flowNo(30)];
  await fixture.reconciler.connect(fixture, []);
  assert.equal(fixture.sent(), ['add 31']);
  await fixture.pass(9 * 60_000);
  assert.equal(fixture.sent(), []);
  const { differences } = await fixture.reconciler.verify();
  assert.is(differences.length, 19);
  await fixture.pass(61_000);
  assert.is(fixture.sent().length, 19);
  assert.is(fixture.peer.flows.size, 2);
});

test('a switch that keeps what nobody explains is not read again for each change; what is wanted of it stands there', async () => {
  const fixture = new Fixture();
  fixture.install(...flowsTo(20));
  fixture.wanted = [flowNo(0)];
  await fixture.reconciler.connect(fixture, []);
  fixture.wanted = [flowNo(0), flowNo(5), flowNo(30)];
  await fixture.reconciler.update();
  assert.equal(fixture.sent(), ['add 31']);
  fixture.isPast = () => true;
  await fixture.reconciler.update();
  assert.is(fixture.sent().length, 18);
  assert.is(fixture.reads, 1);
  assert.is(fixture.reconciler.flows, fixture.peer.flows.size);
});

test('of many flows that were never wanted here those of the known past go at once, the others wait', async () => {
  const fixture = new Fixture();
  fixture.install(...flowsTo(20));
  fixture.wanted = [flowNo(0)];
  await fixture.reconciler.connect(fixture, []);
  assert.equal(fixture.sent(), [], 'nothing is known yet');
  fixture.isPast = ({ priority }) => priority > 10;
  await fixture.reconciler.update();
  assert.is(fixture.sent().length, 10);
  fixture.isPast = () => true;
  await fixture.reconciler.update();
  assert.is(fixture.sent().length, 9);
  assert.is(fixture.peer.flows.size, 1);
});

test('flows that were wanted once are taken out at once, however many', async () => {
  const fixture = new Fixture();
  fixture.wanted = flowsTo(20);
  await fixture.reconciler.connect(fixture, []);
  fixture.sent();
  fixture.wanted = [flowNo(0)];
  await fixture.reconciler.update();
  assert.is(fixture.sent().length, 19);
});

test('flows that were wanted while the switch was away are known, too', async () => {
  const fixture = new Fixture();
  fixture.wanted = flowsTo(20);
  await fixture.reconciler.update();
  fixture.install(...flowsTo(20));
  fixture.wanted = [flowNo(0)];
  await fixture.reconciler.connect(fixture, []);
  assert.is(fixture.sent().length, 19);
});

test('of a switch that is away what it was to have then is remembered, and nothing that came and went since', async () => {
  const fixture = new Fixture();
  const { reconciler } = fixture;
  const [first, ...others] = flowsTo(41);
  assert.ok(first);
  const [had, never] = [others.slice(0, 20), others.slice(20)];
  fixture.wanted = [first, ...had];
  await reconciler.connect(fixture, []);
  reconciler.disconnect(fixture);
  for (const wanted of [[first], [first, ...had, ...never], [first]]) {
    fixture.wanted = wanted;
    await reconciler.update();
  }
  fixture.sent();
  fixture.install(...never);
  await reconciler.connect(fixture, []);
  assert.equal(fixture.sent().sort(), had.map(({ priority }) => `delete-strict ${priority}`).sort());
  assert.is(fixture.peer.flows.size, 21, 'nobody knows who put those there that it was never sent');
});

test('what a switch was to have since it was away, and was sent at its return, goes at once', async () => {
  const fixture = new Fixture();
  const { reconciler } = fixture;
  fixture.wanted = [flowNo(0)];
  await reconciler.connect(fixture, []);
  reconciler.disconnect(fixture);
  fixture.wanted = flowsTo(20);
  await reconciler.update();
  await reconciler.connect(fixture, []);
  fixture.wanted = [flowNo(0)];
  fixture.sent();
  await reconciler.update();
  assert.is(fixture.sent().length, 19);
});

test.run();
