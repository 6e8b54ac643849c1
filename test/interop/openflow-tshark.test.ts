// Messages of every type as tshark dissects them: each must come out as one message of its type, with nothing malformed.
// Needs Debian's tshark.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode, type Message, type MeterBand } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MESSAGE_TYPES, randomMessage } from '../unit/openflow/message-generator.ts';
import { Random } from '../unit/openflow/random.ts';
import { capture, OPENFLOW_PORT } from './packet-capture.ts';

const MESSAGES = 3000;
const LIMIT_MS = 120_000;
const OUTPUT_BYTES_MAX = 64 * 2 ** 20;

/** Of each packet, its messages' types and what tshark finds wrong. */
function dissect(messages: readonly Uint8Array[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'tshark-'));
  try {
    const file = join(folder, 'messages.pcap');
    writeFileSync(file, capture(messages));
    const fields = ['openflow_v4.type', '_ws.malformed'].flatMap((field) => ['-e', field]);
    const words = ['-n', '-r', file, '-d', `tcp.port==${OPENFLOW_PORT},openflow`, '-T', 'fields', ...fields];
    const options = { encoding: 'utf8', timeout: LIMIT_MS, maxBuffer: OUTPUT_BYTES_MAX, stdio: 'pipe' } as const;
    return execFileSync('tshark', words, options).trimEnd().split('\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const REQUEST = encode({ type: 'barrier-request' }, 1);
/** A frame of the type for experiments (IEEE 802, 88-b5), into which nothing looks further. */
const FRAME = Uint8Array.from({ length: 60 }, (_, i) => [0x88, 0xb5][i - 12] ?? 2);

/** With sense in what the message carries: tshark dissects that too, and finds random bytes malformed. */
function sensible(message: Message): Message {
  switch (message.type) {
    case 'error':
      return { ...message, data: REQUEST };
    case 'packet-in':
    case 'packet-out':
      return { ...message, data: FRAME };
    default:
      return message;
  }
}

/** tshark 4.0 takes parts and meter bands that it does not know for malformed. */
function isKnown(message: Message): boolean {
  if (message.type === 'multipart-reply' || message.type === 'multipart-request') {
    if (message.part === 'raw' || message.part === 'experimenter') return false;
    return !('meters' in message && message.meters.some((meter) => 'flags' in meter && hasUnknown(meter.bands)));
  }
  return message.type !== 'meter-mod' || !hasUnknown(message.bands);
}

function hasUnknown(bands: readonly MeterBand[]): boolean {
  return bands.some(({ type }) => type === 'experimenter');
}

function randomMessages(random: Random): Message[] {
  const messages: Message[] = [];
  for (let i = 0; messages.length < MESSAGES; i++) {
    const message = sensible(randomMessage(random, MESSAGE_TYPES[i % MESSAGE_TYPES.length] ?? 'hello'));
    if (isKnown(message)) messages.push(message);
  }
  return messages;
}

test(`nothing is malformed in ${MESSAGES} random messages`, () => {
  const messages = randomMessages(new Random(31));
  const bytes = messages.map((message, xid) => encode(message, xid));
  const found = dissect(bytes);
  assert.is(found.length, MESSAGES);
  for (const [i, line] of found.entries()) {
    const hex = Buffer.from(bytes[i] ?? []).toString('hex');
    // A message within another, as in a bundle, has its type behind the other's.
    const [types = '', malformed = ''] = line.split('\t');
    assert.equal([types.split(',')[0], malformed], [`${bytes[i]?.[1]}`, ''], `${messages[i]?.type} ${hex}`);
  }
});

test.run();
