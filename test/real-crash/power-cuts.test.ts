// The power is cut at any moment of a real store's life on a real ext4: what comes back after the file system's recovery is
// what was promised.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runPowerCuts } from './power-cuts.ts';

const CUTS = 36;
const CAUGHT_CUTS = 40;
const seed = Number(process.env.CUTS_SEED ?? Date.now() % 2 ** 31);

test(`${CUTS} power cuts lose nothing that was flushed`, async () => {
  const violations: string[] = [];
  const told = await runPowerCuts({ seed, cuts: CUTS, violated: (what) => violations.push(what) });
  console.log(`seed ${seed}: ${told.cuts} cuts of ${told.steps} steps, ${told.withImage} with an image`);
  assert.equal(violations, [], `seed ${seed}`);
  assert.ok(told.withImage > CUTS / 2, 'most cuts come after the image was made');
});

test('a blockd that answers a flush before its data are durable is caught', async () => {
  const plants = [
    {
      room: 'blockd/store/image-store.ts',
      find: 'if (runs.length > 0) await this.#parts.data.datasync();',
      replace: '',
    },
  ];
  const violations: string[] = [];
  await runPowerCuts({ seed, cuts: CAUGHT_CUTS, plants, violated: (what) => violations.push(what) });
  assert.ok(violations.length > 0, `seed ${seed}: no cut shows it`);
});

test.run();
