// What the lab takes for a way out that held: each thing that may go wrong in a leg is told by a check of its own.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type OutsideFigures, outsideChecks } from '../../../lab/outside-probe.ts';

const ADDRESS = '198.51.100.7';
const GOOD: OutsideFigures = {
  download: { lines: 300, wrong: 0, lost: '', gapMs: 90 },
  fetches: { good: 30, failed: 0, slowestMs: 900, seen: ADDRESS },
  caller: { sent: 300, echoed: 299, longestGapMs: 400, wrong: 0, lost: '' },
  page: '200',
};

function broken(change: Partial<OutsideFigures>): string[] {
  return outsideChecks(ADDRESS, { ...GOOD, ...change })
    .filter(({ held }) => !held)
    .map(({ name }) => name);
}

test('all is well, or one thing is not', () => {
  const { download, fetches, caller } = GOOD;
  assert.equal(broken({}), []);
  for (const change of [{ lines: 0 }, { wrong: 1 }, { lost: 'Connection timed out' }])
    assert.equal(broken({ download: { ...download, ...change } }), ['download from the Internet kept']);
  for (const change of [{ good: 0 }, { failed: 1 }, { seen: '10.88.0.10' }])
    assert.equal(broken({ fetches: { ...fetches, ...change } }), ['the Internet is reached anew']);
  for (const change of [{ echoed: 0 }, { wrong: 1 }, { lost: 'ECONNRESET' }])
    assert.equal(broken({ caller: { ...caller, ...change } }), ['called from the Internet']);
  assert.equal(broken({ page: 'TypeError: fetch failed' }), ['called from the Internet']);
});

test.run();
