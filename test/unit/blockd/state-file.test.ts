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

test('a file that is damaged is named, whichever of its bytes it is', async () => {
  const disk = new CrashDisk();
  const file = new StateFile(disk, PATH, Names);
  await file.write(['one', 'other']);
  const whole = Buffer.from(await disk.readWhole(PATH));
  for (let at = 0; at < whole.length; at++) {
    const rotten = Buffer.from(whole);
    rotten.writeUInt8(rotten.readUInt8(at) ^ 1, at);
    await disk.replace(PATH, rotten);
    const error = await refusal(file.read());
    assert.is(error.code, 'STATE_DAMAGED', `byte ${at}`);
    assert.match(error.message, PATH);
  }
  for (const bytes of [Buffer.alloc(0), whole.subarray(0, -1), Buffer.from('["one",')]) {
    await disk.replace(PATH, bytes);
    assert.is((await refusal(file.read())).code, 'STATE_DAMAGED');
  }
  await disk.replace(PATH, whole);
  assert.equal(await file.read(), ['one', 'other']);
});

test.run();
