// How a program says why it failed.
import { stripVTControlCharacters } from 'node:util';
import { CommanderError } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { errorText, exitCodeOf } from '../../../common/terminal/error-report.ts';

const textOf = (error: unknown): string => stripVTControlCharacters(errorText(error));

test('an error is a sentence, its code and what to do', () => {
  const error = new OperationError('NO_IMAGE', 'there is no image web', { remedy: 'List the images.' });
  assert.is(textOf(error), 'error there is no image web (NO_IMAGE)\n  List the images.\n');
});

test('without a code or a remedy there is none', () => {
  assert.is(textOf(new OperationError('X', 'so it is')), 'error so it is (X)\n');
  assert.is(textOf(new Error('so it is')), 'error so it is\n');
  assert.is(textOf('so it is'), 'error so it is\n');
});

test('what the parser has said already is not said again, and keeps its exit code', () => {
  const written: unknown[] = [];
  const write = process.stderr.write;
  process.stderr.write = (chunk: unknown): boolean => written.push(chunk) > 0;
  try {
    assert.is(exitCodeOf(new CommanderError(0, 'commander.helpDisplayed', '(outputHelp)')), 0);
    assert.equal(written, []);
    assert.is(exitCodeOf(new Error('no')), 1);
    assert.is(written.length, 1);
  } finally {
    process.stderr.write = write;
  }
});

test.run();
