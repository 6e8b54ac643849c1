// A daemon's state is one process's at a time, and what a second one would do to its journal.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Type } from '#typebox';
import { realDisk } from '../../../common/disk/disk.ts';
import { lockState } from '../../../common/disk/state-lock.ts';
import { codeOf } from '../../../common/errors.ts';
import { Journal } from '../../../common/journal/journal.ts';

const test = suite<{ directory: string }>('state lock');

test.before.each((context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'supercloud-lock-'));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true }));

function refusal(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return codeOf(error);
  }
}

test('it is one’s at a time, and the next one’s when that is gone', ({ directory }) => {
  const release = lockState(directory, 'sdnd');
  assert.is(
    refusal(() => lockState(directory, 'sdnd')),
    'STATE_IN_USE',
  );
  release();
  lockState(directory, 'sdnd')();
});

test('daemons of other names have locks of their own', ({ directory }) => {
  const releases = ['sdnd', 'switch-agent'].map((name) => lockState(directory, name));
  for (const release of releases) release();
});

test('without it a second one that rewrites the journal takes what the first writes later', async ({ directory }) => {
  const path = join(directory, 'some.journal');
  const first = await Journal.open(realDisk, path, Type.Integer());
  await first.journal.append(1);
  const second = await Journal.open(realDisk, path, Type.Integer());
  await second.journal.rewrite(second.records);
  await first.journal.append(2);
  await Promise.all([first.journal.close(), second.journal.close()]);
  const { journal, records } = await Journal.open(realDisk, path, Type.Integer());
  assert.equal(records, [1]);
  await journal.close();
});

test.run();
