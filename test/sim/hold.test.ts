// The hold under faults: the rows of the crash table (SOUNDNESS B4) by name, every single fault at every step, and a
// swarm of seeds.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { enumerate, holdPoints } from './hold-enumeration.ts';
import { cutPair, type FaultName, plant } from './hold-faults.ts';
import { HoldWorld } from './hold-world.ts';
import { runHoldSeed, runSeeds } from './run.ts';

const SETTLE_MS = 150_000;

interface Row {
  readonly row: string;
  /** The step at which it happens, and what. */
  readonly at: string;
  readonly fault: FaultName;
  /** Before the fault ends, after half a minute. */
  readonly meanwhile?: (hold: HoldWorld) => void;
  readonly place: string;
}

const recordIs = (record: string) => (hold: HoldWorld) => assert.is(hold.record, record);

const ROWS: readonly Row[] = [
  { row: 'nothing happens', at: 'never', fault: 'K dies', place: 'runs at B' },
  {
    row: 'A dies before `released` reached B: B refuses; VM down until A is back, cold start there',
    at: 'A.written released',
    fault: 'node A loses power',
    meanwhile: recordIs('refused'),
    place: 'down at A',
  },
  {
    row: 'A dies after it, B loaded: B starts',
    at: 'B.machine loaded',
    fault: 'node A loses power',
    meanwhile: (hold) => assert.ok(hold.b.machine.guestRuns),
    place: 'runs at B',
  },
  {
    row: 'A dies after it, B not loaded: B refuses, down as above',
    at: 'B<released',
    fault: 'node A loses power',
    meanwhile: recordIs('refused'),
    place: 'down at A',
  },
  {
    row: "A's agent dies before the release: the restarted agent goes on with the VM",
    at: 'A>freeze',
    fault: 'agent A dies',
    place: 'runs at A',
  },
  {
    row: "A's agent dies after the release: the restarted agent asks B for `refused`",
    at: 'A<journaled released',
    fault: 'agent A dies',
    place: 'runs at A',
  },
  {
    row: "A's agent dies after B has all: B starts, the restarted agent learns it",
    at: 'B.machine loaded',
    fault: 'agent A dies',
    meanwhile: (hold) => assert.ok(hold.b.machine.guestRuns),
    place: 'runs at B',
  },
  {
    row: 'B dies before `started`: on restart B writes `refused`; A thaws',
    at: 'B<loaded',
    fault: 'node B loses power',
    meanwhile: (hold) => {
      assert.is(hold.record, 'none');
      assert.is(hold.a.store.role, 'frozen');
    },
    place: 'runs at A',
  },
  {
    row: "B dies after `started`: the VM is B's, cold start when it is back; A's copy is killed",
    at: 'B<journaled started',
    fault: 'node B loses power',
    meanwhile: (hold) => assert.is(hold.a.store.role, 'frozen'),
    place: 'down at B',
  },
  {
    row: 'K dies, fails over: nothing waits for it',
    at: 'A>sendMemory',
    fault: 'K dies',
    meanwhile: (hold) => assert.ok(hold.b.machine.guestRuns && hold.source.isSettled),
    place: 'runs at B',
  },
  {
    row: 'A-B cut, both reach K: K carries `started`',
    at: 'B<journaled started',
    fault: 'A and B are cut',
    meanwhile: (hold) => assert.ok(hold.source.isSettled && hold.b.machine.guestRuns),
    place: 'runs at B',
  },
  {
    row: 'A-B cut, both reach K: K carries `released` and `refused`',
    at: 'A>ask released',
    fault: 'A and B are cut',
    meanwhile: (hold) => assert.ok(hold.source.isSettled && hold.a.machine.guestRuns && hold.a.port.isOpen),
    place: 'runs at A',
  },
  {
    row: 'B cut from all between `released` and its record: undecided, paused at A, until B is reached',
    at: 'B<released',
    fault: 'B is cut from all',
    meanwhile: (hold) => {
      assert.is(hold.source.decision, 'undecided');
      assert.is(hold.a.store.role, 'frozen');
      assert.not(hold.a.port.isOpen);
      const { undecidedAtMs = Number.NaN } = hold.controller;
      assert.ok(undecidedAtMs < 5_500, `the controller knew it at ${undecidedAtMs} ms`);
    },
    place: 'runs at A',
  },
  {
    row: 'B cut from all after its record: undecided, until B is reached',
    at: 'B<journaled started',
    fault: 'B is cut from all',
    meanwhile: (hold) => {
      assert.is(hold.source.decision, 'undecided');
      assert.is(hold.a.store.role, 'frozen');
    },
    place: 'runs at B',
  },
  {
    row: 'A reboots in the hold: as "A dies"; the journal decides',
    at: 'A<frozen',
    fault: 'node A loses power',
    place: 'down at A',
  },
  {
    row: 'a crash of blockd(B) after `started`: ordinary restart; QEMU waits',
    at: 'B>chore activate',
    fault: 'blockd B dies',
    meanwhile: (hold) => assert.not(hold.b.machine.guestRuns),
    place: 'runs at B',
  },
];

for (const { row, at, fault, meanwhile, place } of ROWS) {
  test(row, () => {
    const hold = new HoldWorld(1);
    plant(hold, at, fault);
    hold.world.run(30_000);
    meanwhile?.(hold);
    hold.heal();
    assert.is(hold.settle(SETTLE_MS), place);
    assert.equal(hold.world.violations, []);
  });
}

test('an undecided migration stays so for hours, and asks until B is reached', () => {
  const hold = new HoldWorld(2);
  plant(hold, 'B<released', 'B is cut from all');
  hold.world.run(2 * 3_600_000);
  assert.is(hold.source.decision, 'undecided');
  assert.is(hold.a.store.role, 'frozen');
  hold.world.network.heal();
  assert.is(hold.settle(SETTLE_MS), 'runs at A');
  assert.equal(hold.world.violations, []);
});

test('a source cut from B alone hears the record by way of the controller while the cut lasts', () => {
  const hold = new HoldWorld(3);
  hold.world.onPoint((point) => {
    if (point === 'B.written started') cutPair(hold, 'A', 'B');
  });
  assert.is(hold.settle(10_000), 'runs at B');
  assert.equal(hold.world.violations, []);
});

test('every single fault at every step', () => {
  assert.ok(holdPoints().length > 40);
  const places = new Map<string, number>();
  for (const { point, fault, healAfterMs, syncMs, place, violations } of enumerate()) {
    assert.equal(violations, [], `${fault} at ${point}, healed after ${healAfterMs} ms, sync ${syncMs} ms`);
    places.set(place, (places.get(place) ?? 0) + 1);
  }
  for (const place of ['runs at A', 'runs at B', 'down at A', 'down at B'])
    assert.ok((places.get(place) ?? 0) > 20, `${place} is rarely or never the end`);
});

test('a swarm of seeds', () => {
  const failures: string[] = [];
  runSeeds(1, 2_000, ({ seed, violations }) => failures.push(`seed ${seed}: ${violations.join('; ')}`));
  assert.equal(failures, []);
});

test('a seed tells its whole story again', () => {
  assert.equal(runHoldSeed(77).trace, runHoldSeed(77).trace);
});

test.run();
