// A machine that cannot run the lab is told so in a sentence before anything is made.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { checkHost, type HostFiles, mayMakeNamespaces, otherSystem } from '../../../lab/host-check.ts';

let folder: string;
let fine: Required<HostFiles>;

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-check-'));
  fine = {
    tunDevice: file('tun', ''),
    osRelease: file('os-release', 'ID=debian\nVERSION_ID="13"\n'),
    processStatus: file('status', 'CapEff:\t000001ffffffffff\n'),
    receiveBufferDefault: file('buffer', '8388608\n'),
  };
});

test.after.each(() => {
  rmSync(folder, { recursive: true });
});

function codeOf(files: HostFiles, userId = 0): string {
  const { getuid } = process;
  process.getuid = () => userId;
  try {
    checkHost({ ...fine, ...files });
    return '';
  } catch (error) {
    if (error instanceof OperationError && error.remedy !== '') return error.code;
    throw error;
  } finally {
    process.getuid = getuid as () => number;
  }
}

test('a machine that has everything', () => {
  assert.is(codeOf({}), '');
});

test('a user who is not root', () => {
  assert.is(codeOf({}, 1000), 'NOT_ROOT');
});

test('another system, or a Debian that is too old', () => {
  assert.is(codeOf({ osRelease: join(folder, 'none') }), 'NOT_DEBIAN');
  assert.is(otherSystem('PRETTY_NAME="Ubuntu 24.04.1 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n'), 'Ubuntu 24.04.1 LTS');
  assert.is(
    otherSystem('PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"\nVERSION_ID="11"\nID=debian\n'),
    'Debian GNU/Linux 11 (bullseye)',
  );
  assert.is(otherSystem('ID=debian\nVERSION_ID="12"\n'), undefined);
  assert.is(otherSystem('PRETTY_NAME="Debian GNU/Linux forky/sid"\nID=debian\n'), undefined);
});

test('root of a container that may not make namespaces', () => {
  // What Docker gives by default, and the same with the right to change networks alone.
  for (const rights of ['00000000a80425fb', '00000000a80435fb']) {
    assert.is(codeOf({ processStatus: file('status', `CapEff:\t${rights}\n`) }), 'NO_NAMESPACES');
  }
  assert.ok(mayMakeNamespaces('CapEff:\t0000000000201000\n'));
});

test('a machine without the tun device, or where it cannot be opened', () => {
  assert.is(codeOf({ tunDevice: join(folder, 'none') }), 'NO_TUN');
  assert.is(codeOf({ tunDevice: folder }), 'NO_TUN');
});

test('a network whose buffers are too small and cannot be raised', () => {
  // A file of /proc that nobody may write, root neither.
  assert.is(codeOf({ receiveBufferDefault: '/proc/self/loginuid-none' }), 'NO_BUFFERS');
  assert.is(codeOf({ receiveBufferDefault: '/proc/sys/kernel/ngroups_max' }), 'NO_BUFFERS');
  assert.is(codeOf({ receiveBufferDefault: file('buffer', '212992\n') }), '');
});

test.run();
