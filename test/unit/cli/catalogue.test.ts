// What `supercloud catalogue rebuild` says at its end: that there is nothing to do, what would be done, or that it is done.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeRebuild } from '../../../cli/commands/catalogue.ts';
import type { RebuildReport } from '../../../wire/contracts/rebuild.ts';

const WEB: RebuildReport['images'][number] = {
  ...{ image: 'web', verdict: 'known', node: 'alpha', reason: '', wouldLose: '', isAccepted: false },
};
const REPORT: RebuildReport = {
  ...{ behind: '', isDone: false, incarnation: 1, images: [WEB], snapshots: [] },
  ...{ unnamed: [], away: [], notes: [] },
};

test('its last line says what there is to do', () => {
  assert.match(describeRebuild(REPORT), /there is nothing to do$/);
  const lost: RebuildReport = { ...REPORT, images: [{ ...WEB, verdict: 'closed' }] };
  assert.match(describeRebuild(lost), /say --yes to make these records$/);
  assert.match(describeRebuild({ ...REPORT, behind: 'it is new' }), /say --yes to make these records$/);
  assert.match(describeRebuild({ ...lost, isDone: true }), /this is done$/);
});

test.run();
