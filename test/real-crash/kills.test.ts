// A real daemon is killed at its Nth storing system call, or that call fails; the next one serves what was promised: each
// answered write after a kill (S1), each flushed one after a failed disk (S2), all after a full one (S9).
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import { runKills, sayKills } from './kills.ts';

/** Two images' worth, in about a minute; `./supercloud crash` takes a hundred. */
const LIVES = 24;

test.before(() => ensurePackages(['strace'], new ProgressLine()));

test(`${LIVES} lives struck at a system call lose nothing`, async () => {
  const seed = Number(process.env.KILLS_SEED ?? Date.now() % 2 ** 31);
  const violations: string[] = [];
  const told = await runKills({ seed, lives: LIVES, violated: (what) => violations.push(what) });
  console.log(`seed ${seed}: ${sayKills(told)}`);
  assert.equal(violations, [], `seed ${seed}`);
  assert.ok(told.killed + told.failed > LIVES / 3, 'some three of four lives are struck');
});

test.run();
