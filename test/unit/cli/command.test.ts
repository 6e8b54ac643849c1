// What all commands share: figures that cannot be written are said to be that alone, and a word that --json took is named.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommanderError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { command, print, swallowed, withOrchestrator } from '../../../cli/command.ts';
import { createCommand } from '../../../cli/commands/image-create.ts';
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

test('each example can be pasted: the name of the program stands where it is typed, once', () => {
  let help = '';
  command('create', 'make an image', ['image create web', 'xz -dc a.xz | supercloud image create web --file -'])
    .configureOutput({ writeOut: (text) => (help += text) })
    .outputHelp();
  assert.match(help, /\n {2}supercloud image create web\n {2}xz -dc a\.xz \| supercloud image create web --file -/);
});

test('what image create cannot do is refused before anything is asked', async () => {
  for (const words of [
    ['--file', 'a.raw', '--size', '1G'],
    ['--size', '1G', '--format', 'raw'],
    ['--from', 'monday'],
    [],
  ]) {
    const parsed = createCommand.parseAsync(['web', '--node', 'alpha', ...words], { from: 'user' });
    assert.is((await refusal(parsed)).code, 'USAGE', words.join(' '));
  }
});

test('a node, or a cluster, is not of a blockd that is alone', async () => {
  const never = async (): Promise<never> => {
    throw new Error('it was asked');
  };
  for (const other of [{ node: 'beta' }, { at: 'beta' }, { context: '/none' }])
    assert.is((await refusal(withOrchestrator({ alone: '/none', ...other }, never))).code, 'USAGE');
  assert.is((await refusal(withOrchestrator({ alone: '/none', node: 'alone' }, never))).code, 'NOT_SERVED');
});

test.run();
