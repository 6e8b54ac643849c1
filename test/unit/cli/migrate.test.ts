// What `supercloud vm show` says of a migration's steps.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { describeSteps } from '../../../cli/commands/migrate.ts';
import { lastMigration } from '../../../cli/commands/vm.ts';

test('steps stand in the order of their beginnings, a bar between those that overlap', () => {
  const stepTimes = [
    { step: 'precheck', atMs: 0, tookMs: 80 },
    { step: 'port', atMs: 90, tookMs: 150 },
    { step: 'tables', atMs: 200, tookMs: 400 },
    { step: 'standby', atMs: 90, tookMs: 110 },
    { step: 'memory', atMs: 600, tookMs: 6_000 },
    { step: 'hold', atMs: 6_600, tookMs: 200 },
  ];
  assert.is(
    describeSteps({ stepTimes }),
    'precheck 80 ms, port 150 ms | standby 110 ms | tables 400 ms, memory 6.0 s, hold 200 ms',
  );
  assert.is(describeSteps({ stepTimes: [] }), '');
});

test('a list of VMs has the hold only of a migration that had one', () => {
  assert.is(lastMigration({ step: 'memory', to: 'beta', holdMs: 0 }), 'to beta: memory');
  assert.is(lastMigration({ step: 'moved', to: 'beta', holdMs: 250 }), 'moved, hold 250 ms');
});

test.run();
