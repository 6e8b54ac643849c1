// The kernel command line: what a guest is told, and what cannot be told.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { kernelCommandLine } from '../../../lab/guest/command-line.ts';
import { GuestError } from '../../../lab/guest/guest-error.ts';

function refused(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch (error) {
    return error instanceof GuestError && error.code === 'host';
  }
}

test('settings become words, and absent ones none', () => {
  const line = kernelCommandLine({ address: '10.88.0.10/24', load: { writes: 5, dirty: 0.5 } }, ['extra=1']);
  const words = line.split(' ').filter((word) => word.startsWith('supercloud.') || word === 'extra=1');
  assert.equal(words, [
    'extra=1',
    'supercloud.ip=10.88.0.10/24',
    'supercloud.mtu=1330',
    'supercloud.load=writes:5,dirty:0.5',
  ]);
});

test('a key loses its comment and its blank', () => {
  const line = kernelCommandLine({ address: '10.88.0.10/24', sshPublicKey: 'ssh-ed25519 AAAAC3+/= me@here\n' }, []);
  assert.match(line, / supercloud\.key=ssh-ed25519:AAAAC3\+\/=$/);
});

test('a value that the kernel would split, or a line that it would cut, is refused', () => {
  assert.ok(refused(() => kernelCommandLine({ address: '10.88.0.10/24', name: 'two words' }, [])));
  assert.ok(refused(() => kernelCommandLine({ address: '10.88.0.10/24', name: 'a\nb' }, [])));
  assert.ok(refused(() => kernelCommandLine({ address: '10.88.0.10/24', name: 'x'.repeat(2048) }, [])));
  assert.ok(refused(() => kernelCommandLine({ address: '10.88.0.10/24', sshPublicKey: 'one-word' }, [])));
});

test.run();
