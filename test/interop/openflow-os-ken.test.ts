// The codec and os-ken, a controller's library in Python, on the same messages: os-ken reads what the codec writes, field by
// field, and the codec reads what os-ken builds of those fields. Needs Debian's python3-os-ken.
import { decode, encode, type Message } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MESSAGE_TYPES, randomMessage } from '../unit/openflow/message-generator.ts';
import { Random } from '../unit/openflow/random.ts';
import { difference, judge } from './os-ken.ts';
import { asBuilt, isBuiltByOsKen, isReadByOsKen } from './os-ken-limits.ts';
import { messageForm } from './os-ken-messages.ts';

/** In each direction. */
const MESSAGES = 3000;

/** Random messages of each type in turn, of those that os-ken can deal with. */
function messagesOf(seed: number, isWanted: (message: Message) => boolean): Message[] {
  const random = new Random(seed);
  const messages: Message[] = [];
  for (let i = 0; messages.length < MESSAGES; i++) {
    const message = randomMessage(random, MESSAGE_TYPES[i % MESSAGE_TYPES.length] ?? 'hello');
    if (isWanted(message)) messages.push(message);
  }
  return messages;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

test(`os-ken reads ${MESSAGES} messages of the codec's`, async () => {
  const messages = messagesOf(11, isReadByOsKen);
  const sent = messages.map((message, xid) => hexOf(encode(message, xid)));
  const verdicts = await judge(sent.map((read) => ({ read })));
  for (const [i, message] of messages.entries()) {
    const { fields, error } = verdicts[i] ?? {};
    assert.is(error ?? difference(messageForm(message), fields), undefined, `${message.type} ${sent[i]}`);
  }
});

test(`the codec reads ${MESSAGES} messages that os-ken builds, and writes the same`, async () => {
  const messages = messagesOf(12, isBuiltByOsKen).map(asBuilt);
  const verdicts = await judge(messages.map((message, xid) => ({ build: messageForm(message), xid })));
  for (const [xid, message] of messages.entries()) {
    const { bytes, error } = verdicts[xid] ?? {};
    const ours = hexOf(encode(message, xid));
    assert.is(error ?? bytes, ours, message.type);
    const read = { kind: 'message', message, xid, version: 4, bytes: ours.length / 2 };
    assert.equal(decode(Buffer.from(bytes ?? '', 'hex')), read);
  }
});

test.run();
