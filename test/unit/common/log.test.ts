// What a program that a person has in a terminal says: sentences, with the remedy, and a stack only of what nobody foresaw.
import { stripVTControlCharacters } from 'node:util';
import { pino } from 'pino';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { plainText } from '../../../common/log.ts';

function said(speak: (log: pino.Logger) => void): string {
  let text = '';
  speak(pino({ name: 'blockd' }, { write: (line: string) => (text += stripVTControlCharacters(plainText(line))) }));
  return text;
}

test('what happened, why, where, and what can be done', () => {
  const err = new OperationError('IMAGE_DAMAGED', 'its file a.data is gone', { remedy: 'Bring it back.' });
  const text = said((log) => log.error({ err, layer: 'l1' }, 'a layer cannot be used'));
  assert.is(text, 'error a layer cannot be used: its file a.data is gone (layer l1)\n  Bring it back.\n');
  const rotten = said((log) => log.warn({ image: 'web', block: 3, reason: 'nobody has it' }, 'a block is lost'));
  assert.is(rotten, 'warning a block is lost: nobody has it (image web, block 3)\n');
  assert.is(
    said((log) => log.info('stopping')),
    'note stopping\n',
  );
});

test('of what nobody foresaw there is the stack too', () => {
  assert.match(
    said((log) => log.fatal({ err: new TypeError('no such thing') }, 'crashed')),
    /^error crashed: no such thing\nTypeError: .*\n +at /,
  );
});

test.run();
