// What other values of S would cost, measured against playing each of them out; and the controller that follows it.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BlockHeat } from '../../../../blockd/propagation/block-heat.ts';
import { ratioOf } from '../../../../blockd/propagation/push-priority.ts';
import {
  afterFirstMinute,
  afterStay,
  afterWindow,
  expectedScores,
  NEW_TUNER,
  tunedS,
} from '../../../../blockd/propagation/s-tuner.ts';
import { reachedBy, S_GRID, ShadowPushes } from '../../../../blockd/propagation/shadow-pushes.ts';
import { SchemaCheck } from '../../../../common/schema-check.ts';
import { TunerState } from '../../../../wire/contracts/propagation.ts';
import { Prng } from '../../../sim/prng.ts';

/** The stay that is expected at first: a window at its end counts in full. */
const LATE_MS = 1_800_000;
const window = (missed: (s: number) => number, pushed: (s: number) => number) => ({
  missed: S_GRID.map(missed),
  pushed: S_GRID.map(pushed),
  held: S_GRID.map(() => 0),
});

test('the grid is counted alike from both sides', () => {
  const prng = new Prng(2);
  for (let draw = 0; draw < 5_000; draw++) {
    const ratio = prng.chance(0.1) ? prng.pick(S_GRID as [number, ...number[]]) : 2 ** prng.between(-12, 10);
    assert.is(reachedBy(ratio), S_GRID.filter((s) => ratio >= s).length, `${ratio}`);
  }
});

test('one pass counts for every S what playing that S alone would give (property)', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const prng = new Prng(seed);
    const blocks = 200;
    const heat = new BlockHeat(blocks, () => true);
    const heldAtFirst = prng.chance(0.5);
    const shadow = new ShadowPushes(heat, () => heldAtFirst);
    const models = S_GRID.map((s) => ({ s, held: new Set<number>(), start: new Set<number>(), pushed: 0, missed: 0 }));
    const known = new Set<number>();
    const touched = new Set<number>();
    const meet = (block: number): void => {
      for (let one = block & ~7; one < (block & ~7) + 8; one++) {
        if (known.has(one)) continue;
        known.add(one);
        for (const { held, start } of heldAtFirst ? models : []) {
          held.add(one);
          start.add(one);
        }
      }
    };
    for (let turn = 0; turn < 6; turn++) {
      for (let event = 0; event < 400; event++) {
        const block = Math.floor(blocks * prng.next() ** 2);
        meet(block);
        const isFirst = !touched.has(block);
        touched.add(block);
        if (prng.chance(0.5)) {
          shadow.read(block, heat.addRead(block));
          if (isFirst) for (const model of models) model.missed += model.start.has(block) ? 0 : 1;
        } else {
          shadow.written(block, heat.addWrite(block));
          for (const { held } of models) held.delete(block);
        }
      }
      heat.setTime(turn * 150_000);
      for (const model of models) {
        for (const block of known) {
          const slot = heat.index.slotOf(block);
          const ratio = ratioOf(heat.readsOf(slot) / heat.unit, heat.writesOf(slot) / heat.unit);
          if (model.held.has(block) || ratio < model.s) continue;
          model.held.add(block);
          model.pushed++;
        }
        model.start = new Set(model.held);
      }
      const seen = shadow.sweep();
      assert.equal(
        seen.missed,
        models.map(({ missed }) => missed),
        `seed ${seed}, missed`,
      );
      assert.equal(
        seen.pushed,
        models.map(({ pushed }) => pushed),
        `seed ${seed}, pushed`,
      );
      assert.equal(
        seen.held,
        models.map(({ held }) => held.size),
        `seed ${seed}, held`,
      );
      touched.clear();
      for (const model of models) Object.assign(model, { missed: 0, pushed: 0 });
    }
  }
});

test('a large image is sampled, and the counts are those of all of it, nearly', () => {
  const prng = new Prng(3);
  const blocks = 2 ** 22;
  const heat = new BlockHeat(blocks, () => true);
  const shadow = new ShadowPushes(heat, () => false);
  const read = new Set<number>();
  for (let event = 0; event < 200_000; event++) {
    const block = prng.integer(blocks / 8);
    read.add(block);
    shadow.read(block, heat.addRead(block));
  }
  const { missed } = shadow.sweep();
  assert.ok(Math.abs((missed[0] ?? 0) / read.size - 1) < 0.05, `${missed[0]} for ${read.size}`);
});

test('zeros are nothing to push and nothing to miss', () => {
  const heat = new BlockHeat(8, () => true);
  const shadow = new ShadowPushes(heat, () => false);
  const slot = heat.addWrite(0);
  shadow.written(0, slot);
  shadow.zeroed(0, slot);
  shadow.sweep();
  shadow.read(0, heat.addRead(0));
  assert.equal(
    shadow.sweep().missed,
    S_GRID.map(() => 0),
  );
});

test('S begins as the paper has it, and moves two steps of the grid per window at the most', () => {
  assert.is(tunedS(NEW_TUNER), 1);
  let state = NEW_TUNER;
  const prng = new Prng(5);
  for (let turn = 0; turn < 300; turn++) {
    const next = afterWindow(
      state,
      window(
        () => prng.between(0, 10_000),
        () => prng.between(0, 10_000),
      ),
      LATE_MS,
    );
    assert.ok(Math.abs(next.index - state.index) <= 2);
    assert.ok(next.index >= 0 && next.index < S_GRID.length);
    state = next;
  }
});

test('when misses cost most it goes down, when pushes do it goes up, and rests at the best', () => {
  const settle = (missed: (s: number) => number, pushed: (s: number) => number): number => {
    let state = NEW_TUNER;
    for (let turn = 0; turn < 60; turn++) state = afterWindow(state, window(missed, pushed), LATE_MS);
    return tunedS(state);
  };
  assert.is(
    settle(
      (s) => 5_000 * Math.min(1, s),
      () => 10,
    ),
    0,
  );
  assert.is(
    settle(
      () => 5,
      (s) => 10_000 / (1 + s),
    ),
    64,
  );
  assert.is(
    settle(
      (s) => (s <= 0.25 ? 100 : 5_000),
      (s) => (s < 0.25 ? 50_000 : 100),
    ),
    0.25,
  );
});

test('a window counts little when the VM has just come, and nothing is decided on little', () => {
  const best = window(
    (s) => 1_000 * s,
    () => 0,
  );
  const worst = window(
    () => 1e6,
    () => 1e6,
  );
  assert.is(afterWindow(NEW_TUNER, best, 60_000).index, NEW_TUNER.index);
  const state = afterWindow(afterWindow(NEW_TUNER, best, LATE_MS), worst, 60_000);
  assert.ok((state.missed[0] ?? 0) < 50_000, `${state.missed[0]}`);
});

test('the copies that a lower S has to make first count against it', () => {
  const state = afterWindow(
    NEW_TUNER,
    window(
      (s) => (s < 1 ? 0 : 100),
      () => 0,
    ),
    LATE_MS,
  );
  const held = S_GRID.map((s) => (s < 1 ? 1e6 : 0));
  const scores = expectedScores({ ...state, index: NEW_TUNER.index }, held, 0);
  assert.ok((scores[0] ?? 0) > (scores[NEW_TUNER.index] ?? 0));
  assert.is(
    afterWindow(
      NEW_TUNER,
      {
        ...window(
          (s) => (s < 1 ? 0 : 100),
          () => 0,
        ),
        held,
      },
      LATE_MS,
    ).index,
    NEW_TUNER.index,
  );
});

test('short stays make pushing cheap, long ones dear', () => {
  const settle = (stayMs: number): number => {
    let state = NEW_TUNER;
    for (let stay = 0; stay < 20; stay++) state = afterStay(state, stayMs);
    for (let turn = 0; turn < 30; turn++)
      state = afterWindow(
        state,
        window(
          (s) => (s < 1 ? 50 : 200),
          (s) => (s < 1 ? 400 : 100),
        ),
        LATE_MS,
      );
    return tunedS(state);
  };
  assert.ok(settle(600_000) < 1);
  assert.ok(settle(40 * 3_600_000) >= 1);
});

test('a stay that lasts makes pushing dear, whatever was expected', () => {
  const settle = (ageMs: number): number => {
    let state = NEW_TUNER;
    const seen = window(
      (s) => (s < 1 ? 50 : 200),
      (s) => (s < 1 ? 400 : 100),
    );
    for (let turn = 0; turn < 30; turn++) state = afterWindow(state, seen, ageMs);
    return tunedS(state);
  };
  assert.ok(settle(LATE_MS) < 1);
  assert.ok(settle(40 * 3_600_000) >= 1);
});

test('real misses correct the expected ones, within bounds', () => {
  let state = afterStay({ ...NEW_TUNER, missed: S_GRID.map(() => 1_000), weight: 10 }, 60_000);
  assert.is(state.predicted, 1_000);
  assert.ok(afterFirstMinute(state, 4_000).correction > 1.3);
  assert.ok(afterFirstMinute(state, 100).correction < 0.75);
  assert.is(afterFirstMinute(state, 1_000).correction, 1);
  for (let move = 0; move < 50; move++) state = afterFirstMinute(state, 1e9);
  assert.ok(state.correction <= 2);
});

test('the state is plain data that the contract takes, and goes on after a trip', () => {
  let state = NEW_TUNER;
  const prng = new Prng(6);
  for (let turn = 0; turn < 20; turn++)
    state = afterWindow(
      state,
      window(
        () => prng.between(0, 100),
        () => prng.between(0, 100),
      ),
      LATE_MS,
    );
  state = afterFirstMinute(afterStay(state, 1e6), 40);
  const again: unknown = JSON.parse(JSON.stringify(state));
  const check = new SchemaCheck(TunerState);
  assert.ok(check.accepts(again), check.accepts(again) ? '' : check.fault(again));
  assert.equal(again, state);
  assert.not(check.accepts({ ...state, missed: [1] }));
});

test.run();
