// Capabilities as a whole list, and what QEMU's words for states mean.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  isLive,
  machineState,
  migrationProgress,
  missingCapabilities,
  wantedCapabilities,
} from '../../../hypervisor/qemu/migration-settings.ts';

const NAMES = [
  'xbzrle',
  'events',
  'return-path',
  'pause-before-switchover',
  'late-block-activate',
  'multifd',
  'newer-one',
];
const KNOWN = NAMES.map((capability, index) => ({ capability, state: index % 2 === 0 }));

test('every capability that is known is set, whatever it was', () => {
  const wanted = wantedCapabilities(KNOWN, { deltaCompression: false });
  assert.equal(
    wanted.map(({ capability }) => capability),
    NAMES,
  );
  assert.equal(
    wanted.filter(({ state }) => state).map(({ capability }) => capability),
    ['events', 'return-path', 'pause-before-switchover', 'late-block-activate'],
  );
});

test('delta compression is asked for by name', () => {
  const wanted = wantedCapabilities(KNOWN, { deltaCompression: true });
  assert.ok(wanted.some(({ capability, state }) => capability === 'xbzrle' && state));
});

test('a QEMU without a hold is told from one with it', () => {
  assert.equal(missingCapabilities(KNOWN), []);
  assert.equal(missingCapabilities([]).length, 4);
});

test('postmigrate is "migrated" only after a migration that is complete', () => {
  assert.is(machineState('postmigrate', 'completed'), 'migrated');
  assert.is(machineState('postmigrate', 'failed'), 'paused');
  assert.is(machineState('finish-migrate', 'pre-switchover'), 'held');
  assert.is(machineState('inmigrate', 'none'), 'incoming');
});

test('only ends are not live', () => {
  for (const status of ['none', 'completed', 'failed', 'cancelled'] as const) assert.not(isLive(status));
  for (const status of ['setup', 'active', 'pre-switchover', 'device', 'cancelling'] as const)
    assert.ok(isLive(status));
});

test('progress is in bytes, zeros before there is any', () => {
  const none = { transferredBytes: 0, remainingBytes: 0, totalBytes: 0 };
  assert.equal(migrationProgress({}), { ...none, dirtyBytesPerSecond: 0, passCount: 0, elapsedMs: 0 });
  const rates = { 'dirty-pages-rate': 10, 'dirty-sync-count': 3, 'page-size': 4096 };
  const progress = migrationProgress({ ram: { transferred: 1, remaining: 2, total: 3, ...rates }, 'total-time': 4 });
  const counts = { dirtyBytesPerSecond: 40960, passCount: 3, elapsedMs: 4 };
  assert.equal(progress, { transferredBytes: 1, remainingBytes: 2, totalBytes: 3, ...counts });
});

test.run();
