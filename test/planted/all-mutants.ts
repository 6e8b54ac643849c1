// All bugs that are planted, and how they are tried. Not a test itself.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ALONE_MUTANTS } from './alone-mutants.ts';
import { CONTROLLER_MUTANTS } from './controller-mutants.ts';
import { COPY_MUTANTS } from './copy-mutants.ts';
import { CUT_OFF_MUTANTS } from './cut-off-mutants.ts';
import { FORWARDING_MUTANTS } from './forwarding-mutants.ts';
import { GUEST_MUTANTS } from './guest-mutants.ts';
import { HANDOVER_MUTANTS } from './handover-mutants.ts';
import { IMAGE_MUTANTS } from './image-mutants.ts';
import { MERGE_MUTANTS } from './merge-mutants.ts';
import { type Mutant, runMutant } from './mutant-run.ts';
import { NETWORK_MUTANTS } from './network-mutants.ts';
import { POINT_MUTANTS } from './point-mutants.ts';
import { READ_MUTANTS } from './read-mutants.ts';
import { READING_MUTANTS } from './reading-mutants.ts';
import { ROLLBACK_MUTANTS } from './rollback-mutants.ts';
import { SEAT_MUTANTS } from './seat-mutants.ts';
import { SECURITY_MUTANTS } from './security-mutants.ts';
import { STORE_MUTANTS } from './store-mutants.ts';
import { TRAFFIC_MUTANTS } from './traffic-mutants.ts';

const AT_ONCE = 2;

export const MUTANTS: readonly Mutant[] = [
  ...[STORE_MUTANTS, IMAGE_MUTANTS, READ_MUTANTS, READING_MUTANTS, COPY_MUTANTS, MERGE_MUTANTS, POINT_MUTANTS],
  [HANDOVER_MUTANTS, CONTROLLER_MUTANTS, FORWARDING_MUTANTS, NETWORK_MUTANTS, GUEST_MUTANTS, ALONE_MUTANTS].flat(),
  [SEAT_MUTANTS, SECURITY_MUTANTS, TRAFFIC_MUTANTS, ROLLBACK_MUTANTS, CUT_OFF_MUTANTS].flat(),
].flat();

/** Whether a world of the simulation shows it: which one does may change with each change of the product. */
export function isOfSimulation({ by }: Mutant): boolean {
  return by.startsWith('sim/');
}

/** A test for each of them, two running at a time. */
export function tryMutants(mutants: readonly Mutant[]): void {
  const left = [...mutants];
  const caught = new Map<Mutant, Promise<string>>();

  /** Runs the next one once an earlier one is through. */
  async function worker(): Promise<void> {
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const running = runMutant(mutant);
      caught.set(mutant, running);
      await running.catch(() => undefined);
    }
  }

  test.before(async () => {
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  });

  for (const mutant of mutants) {
    test(mutant.name, async () => {
      const how = await caught.get(mutant);
      if (process.env.VERBOSE) console.log(`${mutant.name}\n    ${mutant.by}: ${how}`);
      assert.ok(how, `${mutant.by} does not show it`);
    });
  }

  test.run();
}
