// A machine that cannot run the lab is told so in a sentence before anything is made.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { checkHost } from '../../../lab/host-check.ts';

function codeOf(check: () => void): string {
  try {
    check();
    return '';
  } catch (error) {
    if (error instanceof OperationError) return error.code;
    throw error;
  }
}

test('a machine without the tun device', () => {
  assert.is(
    codeOf(() => checkHost('/dev/net/no-such-device')),
    'NO_TUN',
  );
});

test('a user who is not root', () => {
  const { getuid } = process;
  process.getuid = () => 1000;
  try {
    assert.is(
      codeOf(() => checkHost()),
      'NOT_ROOT',
    );
  } finally {
    process.getuid = getuid as () => number;
  }
});

test.run();
