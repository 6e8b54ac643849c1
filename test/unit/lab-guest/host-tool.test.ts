// Tools that make a guest end when the lab is told to, and what they say is brought down to one line.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runTool, stopTools } from '../../../lab/guest/host-tool.ts';
import { packageError, reasonIn } from '../../../lab/guest/packages.ts';

test('of what apt and mmdebstrap say, the line that says why', () => {
  const unreachable = `mmdebstrap --quiet trixie root - failed (25): Err:1 http://mirror.test trixie InRelease
  Temporary failure resolving 'mirror.test'
W: Failed to fetch http://mirror.test/dists/trixie/InRelease  Temporary failure resolving 'mirror.test'
E: apt-get update --error-on=any failed`;
  assert.is(
    reasonIn(unreachable),
    "Failed to fetch http://mirror.test/dists/trixie/InRelease  Temporary failure resolving 'mirror.test'",
  );
  assert.is(reasonIn('first\nE: setup failed: E: something\n'), 'E: setup failed: E: something');
  assert.is(reasonIn('only this'), 'only this');
});

test('a full disk is told as one, not as a network that fails', () => {
  const said = 'mmdebstrap failed (1): dpkg: error: cannot write: No space left on device\nE: apt-get install failed';
  const error = packageError('cannot bootstrap', new Error(said));
  assert.match(error.message, /No space left on device/);
  assert.match(error.remedy, /make room/);
  assert.match(packageError('cannot fetch', new Error('E: no')).remedy, /network/);
});

// The last one: a process whose tools were stopped starts none any more.
test('a stop ends the tool that runs, and lets only those start that tidy up', async () => {
  const outcome = runTool('sleep', ['5'], { timeoutMs: 0 }).then(
    () => 'ended by itself',
    (error: Error) => error.message,
  );
  stopTools();
  assert.match(await outcome, /sleep was stopped/);
  assert.match(
    await runTool('true', [], { timeoutMs: 20_000 }).then(
      () => '',
      (error: Error) => error.message,
    ),
    /was not started/,
  );
  assert.is(await runTool('echo', ['tidy'], { timeoutMs: 20_000, tidiesUp: true }), 'tidy\n');
});

test.run();
