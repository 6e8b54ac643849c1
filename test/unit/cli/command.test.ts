// What all commands share: figures that cannot be written are said to be that alone, and a word that --json took is named.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { command, print, swallowed } from '../../../cli/command.ts';
import { refusal } from '../../refusal.ts';

test('figures go into a file; where they cannot, that is said, and that the order was done', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'command-'));
  try {
    const json = join(folder, 'figures.json');
    await print({ json }, { moved: true }, '');
    assert.equal(JSON.parse(readFileSync(json, 'utf8')), { moved: true });
    const failed = await refusal(print({ json: join(folder, 'none', 'figures.json') }, {}, ''));
    assert.is(failed.code, 'JSON_NOT_WRITTEN');
    assert.match(failed.message, 'ENOENT');
    assert.match(failed.remedy, 'What was ordered is done');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an argument that --json took for its file is named', () => {
  const show = command('show', 'one image', [])
    .argument('<image>')
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const failing = (args: readonly string[]): string => {
    try {
      show.parse([...args], { from: 'user' });
      return 'it went through';
    } catch (error) {
      assert.instance(error, CommanderError);
      return swallowed(error, args);
    }
  };
  assert.match(failing(['--json', 'web']), "--json took 'web'");
  assert.is(failing([]), '');
  assert.is(failing(['web', 'more', '--json', 'file']), '', 'another mistake');
});

test.run();
