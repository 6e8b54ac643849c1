// A rebuild in which some store writes the image and yet may not be its newest writer.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ReportedLayer } from '../../../wire/contracts/store-report.ts';
import { refusal } from '../../refusal.ts';
import { closedLayer, closing, image, Stand, TOP } from './rebuild-stand.ts';
import { reportedLayer } from './reported-layer.ts';

const MIGRATION = 'm00000000000000aa';

const test = suite<{ stand: Stand }>('catalogue rebuild, writers');
test.before.each((context) => {
  context.stand = new Stand();
});

/** A writer that was released to a destination. */
function leaving(change: Partial<ReportedLayer> = {}): ReportedLayer {
  const frozen = { layer: TOP, role: 'frozen', epoch: 5, migration: MIGRATION, closing: closing(5, 80) } as const;
  return reportedLayer({ ...frozen, ...change });
}

test('a writer that was frozen for a transfer nobody knows of may have left', async ({ stand }) => {
  const alone = image(await stand.rebuild({ a: [leaving()] }));
  assert.is(alone.verdict, 'uncertain');
  assert.match(alone.reason, /a is frozen for .*; b is away and may write it/);
  assert.is((await refusal(stand.grant('a'))).code, 'IMAGE_UNCERTAIN');
  const standby = reportedLayer({ layer: TOP, role: 'standby', epoch: 6, migration: MIGRATION });
  assert.match(image(await new Stand().rebuild({ a: [leaving()], b: [standby] })).reason, 'b may write it by now');
  const here = new Stand();
  assert.is(image(await here.rebuild({ a: [leaving()], b: [closedLayer(closing(3, 70))] })).verdict, 'open');
  // It stayed, and goes on.
  const settled = await stand.rebuild({ a: [leaving({ role: 'writer', migration: null })] }, { mode: 'reconcile' });
  assert.is(image(settled).verdict, 'open');
});

test('a fenced writer is none, though only the kept records know who came after it (A7)', async ({ stand }) => {
  const fenced = reportedLayer({ layer: TOP, role: 'writer', epoch: 2, ends: [{ epoch: 0, lastSequence: 0 }] });
  await stand.rebuild({ b: [reportedLayer({ ...fenced, epoch: 9 })], a: [] });
  const kept = await stand.records();
  stand.lose();
  const found = image(await stand.rebuild({ a: [fenced] }, { kept }));
  assert.is(found.verdict, 'uncertain');
  assert.match(found.reason, 'the kept records have it in epoch 9, and a writes under epoch 2');
  assert.is((await refusal(stand.grant('a'))).code, 'IMAGE_UNCERTAIN');
});

test.run();
