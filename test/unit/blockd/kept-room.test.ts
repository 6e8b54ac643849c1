// The room that is kept for deletions: how much of it, when it is given, and that it is taken again.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KeptRoom } from '../../../blockd/lone/kept-room.ts';
import { realDisk } from '../../../common/disk/disk.ts';
import { refusal } from '../../refusal.ts';

const MIB = 2 ** 20;

let directory: string;
let path: string;
let freeBytes: number;

test.before.each(async () => {
  directory = await mkdtemp(join(tmpdir(), 'kept-'));
  path = join(directory, 'kept-room');
  freeBytes = 100 * MIB;
});

test.after.each(() => rm(directory, { recursive: true }));

const newRoom = (): KeptRoom => new KeptRoom(realDisk, path, async () => ({ freeBytes, totalBytes: 200 * MIB }));
const kept = async (): Promise<number> => (await stat(path)).size / MIB;
const full = (code: string): Error => Object.assign(new Error(code), { code });

test('it is 8 MiB, and a quarter of what is free where that is less; it is never made smaller', async () => {
  freeBytes = 4 * MIB;
  await newRoom().keep();
  assert.is(await kept(), 1);
  freeBytes = 100 * MIB;
  await newRoom().keep();
  assert.is(await kept(), 8);
  freeBytes = 0;
  await newRoom().keep();
  assert.is(await kept(), 8);
});

test('who finds no room has it, once; what is left of it is taken again first', async () => {
  const room = newRoom();
  await room.keep();
  for (const code of ['ENOSPC', 'EDQUOT']) {
    let tries = 0;
    const work = async (): Promise<number> => {
      if (tries++ === 0) throw full(code);
      return kept();
    };
    assert.is(await room.useFor(work), 0);
    assert.is(tries, 2);
    freeBytes = 7 * MIB;
    await room.keep();
    assert.is(await kept(), 6.75);
    freeBytes = 100 * MIB;
    await room.keep();
    assert.is(await kept(), 8);
  }
});

test('where it is not enough that is said, and any other error is left as it is', async () => {
  const room = newRoom();
  await room.keep();
  const error = await refusal(room.useFor(() => Promise.reject(full('ENOSPC'))));
  assert.is(error.code, 'ENOSPC');
  assert.match(error.message, 'no room for the record');
  await room.keep();
  const other = await room.useFor(() => Promise.reject(full('EIO'))).catch((cause: unknown) => cause);
  assert.is(other instanceof Error ? other.message : '', 'EIO');
  assert.is(await kept(), 8);
});

test('before a start it is given where the disk is all but full', async () => {
  const room = newRoom();
  await room.keep();
  await room.giveIfFull();
  assert.is(await kept(), 8);
  freeBytes = 3 * 4096;
  await room.giveIfFull();
  assert.is(await kept(), 0);
});

test.run();
