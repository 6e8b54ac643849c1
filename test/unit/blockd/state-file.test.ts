// The small facts of a daemon: what was written is read again, and what is damaged is said by name.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Type } from '#typebox';
import { StateFile } from '../../../blockd/image/state-file.ts';
import { CrashDisk } from '../../crash/crash-disk.ts';
import { refusal } from '../../refusal.ts';

const PATH = '/state/ended.json';
const Names = Type.Array(Type.String());

test('the last of several values that were written at once is read again', async () => {
  const disk = new CrashDisk();
  const file = new StateFile(disk, PATH, Names);
  assert.is(await file.read(), undefined);
  await Promise.all([file.write(['one']), file.write(['other'])]);
  assert.equal(await new StateFile(disk.afterCut({ kind: 'lose-all' }), PATH, Names).read(), ['other']);
});

test('a file that is damaged is named', async () => {
  const disk = new CrashDisk();
  await disk.replace(PATH, Buffer.from('["one",'));
  const error = await refusal(new StateFile(disk, PATH, Names).read());
  assert.is(error.code, 'STATE_DAMAGED');
  assert.match(error.message, PATH);
});

test.run();
