// A directory that a person has named: made with those above it, or refused in a sentence, also where nothing can be made.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeNamed } from '../../../blockd/named-directory.ts';
import { messageOf, OperationError } from '../../../common/errors.ts';
import { within } from '../common/members.ts';

let root: string;

test.before(async () => {
  root = await mkdtemp(join(tmpdir(), 'named-'));
});

test.after(() => rm(root, { recursive: true }));

async function refusal(directory: string): Promise<string> {
  try {
    await within(makeNamed(directory, '--at'));
  } catch (error) {
    if (!(error instanceof OperationError)) throw error;
    assert.is(error.code, 'NO_DIRECTORY');
    assert.is(error.remedy, 'Name one with --at that is there or can be made.');
    return messageOf(error);
  }
  throw new Error(`${directory} was made`);
}

test('it is made with those above it, for its user alone, and is well when it is there', async () => {
  const deep = join(root, 'a', 'b', 'c');
  await makeNamed(deep, '--data');
  await makeNamed(deep, '--data');
  assert.is((await stat(deep)).mode & 0o777, 0o700);
});

test('a file of the name, and one above it, are refused', async () => {
  const file = join(root, 'file');
  await writeFile(file, '');
  assert.match(await refusal(file), 'there is something else of that name');
  assert.match(await refusal(join(file, 'deep', 'er')), 'a part of the path is no directory');
});

test('where a file system makes nothing it ends', async () => {
  assert.is(await refusal('/proc/none/deep'), '/proc/none/deep cannot be made a directory: nothing can be made there');
});

test.run();
