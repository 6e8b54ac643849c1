// What the codec refuses: bytes of a peer as `bad` with its code, messages of ours as EncodeError.

import {
  applyActions,
  decode,
  EncodeError,
  encode,
  errorName,
  ethAddress,
  flowMod,
  ipv4,
  ipv4Mask,
  ipv4Text,
  ipv6,
  ipv6Text,
  type Match,
  MessageReader,
  output,
  regMove,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

function bytesOf(hex: string): Uint8Array {
  const digits = hex.replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
}

function badCode(hex: string): string {
  const result = decode(bytesOf(hex));
  return result.kind === 'bad' ? `${result.code}${result.fatal ? ' fatal' : ''}` : result.kind;
}

const BAD: readonly (readonly [name: string, hex: string, code: string])[] = [
  ['version 1.0 of a message other than hello and error', '01 02 0008 00000001', 'bad-version fatal'],
  ['a length shorter than the header', '04 02 0007 00000001', 'bad-length fatal'],
  ['a type that is not', '04 63 0008 00000001', 'unknown-type'],
  ['a body where none belongs', '04 14 000c 00000001 00000000', 'bad-size'],
  ['a features reply cut short', '04 06 000c 00000001 00000000', 'truncated'],
  ['a role without a meaning', '04 18 0018 00000001 00000009 00000000 0000000000000000', 'bad-value'],
  ['a hello element shorter than its header', '04 00 000c 00000001 0001 0003', 'bad-size'],
];

for (const [name, hex, code] of BAD) test(`bad: ${name}`, () => assert.is(badCode(hex), code));

const FLOW_MOD_BODY = '0000000000000000 0000000000000000 00 00 0000 0000 0000 ffffffff ffffffff ffffffff 0000 0000';

/** A flow-mod with this match and these instructions, its header's length set right. */
function flowModHex(rest: string): string {
  const bytes = 48 + rest.replaceAll(/\s/g, '').length / 2;
  return `04 0e ${bytes.toString(16).padStart(4, '0')} 00000001 ${FLOW_MOD_BODY} ${rest}`;
}

const EMPTY_MATCH = '0001 0004 00000000';
const BAD_FLOW_MODS: readonly (readonly [name: string, rest: string, code: string])[] = [
  ['nothing is wrong', EMPTY_MATCH, 'message'],
  ['a match of the old type', '0000 0004 00000000', 'bad-match'],
  ['a match shorter than its header', '0001 0003 00000000', 'bad-match'],
  ['a match longer than the message', '0001 0020 00000000', 'truncated'],
  ['a field twice', '0001 0014 80000004 00000001 80000004 00000001 00000000', 'bad-match'],
  ['a field of the wrong length', '0001 000a 80000002 0001 000000000000', 'bad-match'],
  ['value bits outside the mask', '0001 0010 80001708 0a000001 ffffff00', 'bad-match'],
  ['a value wider than its field', '0001 0009 80000e01 08 00000000000000', 'bad-value'],
  ['an unknown instruction', `${EMPTY_MATCH} 0063 0008 00000000`, 'unknown-instruction'],
  ['an instruction of odd length', `${EMPTY_MATCH} 0001 0007 00000000`, 'bad-size'],
  ['an instruction of length 0', `${EMPTY_MATCH} 0001 0000 00000000`, 'bad-size'],
  ['an instruction with too much in it', `${EMPTY_MATCH} 0005 0010 00000000 0000000000000000`, 'bad-size'],
  ['an unknown action', `${EMPTY_MATCH} 0004 0010 00000000 0063 0008 00000000`, 'unknown-action'],
  ['an action of length 0', `${EMPTY_MATCH} 0004 0010 00000000 0000 0000 00000000`, 'bad-size'],
  [
    'an action shorter than its type',
    `${EMPTY_MATCH} 0004 0018 00000000 0000 0008 00000001 0012 0008 00000000`,
    'truncated',
  ],
  [
    'an action with too much in it',
    `${EMPTY_MATCH} 0004 0018 00000000 0012 0010 00000000 0000000000000000`,
    'bad-size',
  ],
  ['an action longer than its list', `${EMPTY_MATCH} 0004 0010 00000000 0012 0010 00000000`, 'truncated'],
];

for (const [name, rest, code] of BAD_FLOW_MODS) {
  test(`flow-mod: ${name}`, () => assert.is(badCode(flowModHex(rest)), code));
}

test('a field without a row and a mask without permission are kept uninterpreted', () => {
  // Experimenter class 0xffff, and OXM_OF_SCTP_DST with a mask (Open vSwitch allows it, the specification does not).
  const result = decode(bytesOf(flowModHex('0001 0016 ffff5406 001122330012 80002504 0050fff0 0000')));
  if (result.kind !== 'message' || result.message.type !== 'flow-mod') throw new Error(`got ${result.kind}`);
  assert.equal(result.message.match, {
    raw: [
      { oxmClass: 0xffff, id: 42, hasMask: false, body: bytesOf('001122330012') },
      { oxmClass: 0x8000, id: 18, hasMask: true, body: bytesOf('0050fff0') },
    ],
  });
});

test("an experimenter's field that has a row is read, under its newer and its older number", () => {
  for (const hex of ['0001 000e ffff5406 4f4e46000012 0000', '0001 000a 00014402 0012 000000000000']) {
    const result = decode(bytesOf(flowModHex(hex)));
    assert.equal(result.kind === 'message' && result.message.type === 'flow-mod' && result.message.match, {
      tcpFlags: 0x12,
    });
  }
});

test('hello and error of any version are read, with their version', () => {
  assert.equal(decode(bytesOf('06 00 0008 00000001')), {
    kind: 'message',
    message: { type: 'hello', versions: [] },
    xid: 1,
    version: 6,
    bytes: 8,
  });
  assert.is(decode(bytesOf('01 01 000c 00000001 0000 0000')).kind, 'message');
});

test('unknown hello elements are skipped', () => {
  const result = decode(bytesOf('04 00 0018 00000001 0009 0006 aaaa 0000 0001 0008 00000012'));
  assert.equal(result.kind === 'message' && result.message, { type: 'hello', versions: [1, 4] });
});

test('the last hello element may come without its padding', () => {
  const result = decode(bytesOf('04 00 0014 00000001 0001 0008 00000012 0001 0004'));
  assert.is(result.kind, 'message');
});

test('a message over the cap is fatal before its body has come', () => {
  const result = decode(bytesOf('04 02 0401 00000001'), 1024);
  assert.is(result.kind === 'bad' && result.code, 'bad-length');
});

test('the reader goes on behind a bad message', () => {
  const reader = new MessageReader();
  const kinds = reader.push(bytesOf('04 63 0009 00000001 ff 04 14 0008 00000002')).map((result) => result.kind);
  assert.equal(kinds, ['bad', 'message']);
  assert.is(reader.broken, false);
});

test('the reader stops at a stream that is not OpenFlow 1.3', () => {
  const reader = new MessageReader();
  const results = reader.push(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'));
  assert.is(results.length, 1);
  assert.is(reader.broken, true);
  assert.equal(reader.push(bytesOf('04 14 0008 00000002')), []);
});

test('data of a message that lies whole in a chunk is a view of it', () => {
  const chunk = bytesOf('04 02 000a 00000007 cafe');
  const [result] = new MessageReader().push(chunk);
  if (result?.kind !== 'message' || result.message.type !== 'echo-request') throw new Error('no echo request');
  assert.is(result.message.data.buffer, chunk.buffer);
});

/** The code of the EncodeError that `act` throws. */
function encodeCode(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof EncodeError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

function matchCode(match: Match): string {
  return encodeCode(() => encode(flowMod({ command: 'add', match }), 1));
}

test('numbers out of their range cannot be written', () => {
  for (const priority of [-1, 0x10000, 1.5, Number.NaN]) {
    assert.is(
      encodeCode(() => encode(flowMod({ command: 'add', priority }), 1)),
      'out-of-range',
    );
  }
  for (const tableId of [-1, 256, 1.5]) {
    assert.is(
      encodeCode(() => encode(flowMod({ command: 'add', tableId }), 1)),
      'out-of-range',
    );
  }
  for (const pbbIsid of [-1, 0x1000000, 1.5]) assert.is(matchCode({ pbbIsid }), 'out-of-range');
  for (const inPort of [-1, 2 ** 32, 1.5]) assert.is(matchCode({ inPort }), 'out-of-range');
  assert.is(
    encodeCode(() => encode(flowMod({ command: 'add', cookie: -1n }), 1)),
    'out-of-range',
  );
  assert.is(
    encodeCode(() => encode(flowMod({ command: 'add', cookie: 2n ** 64n }), 1)),
    'out-of-range',
  );
  assert.is(
    encodeCode(() => encode({ type: 'barrier-request' }, 2 ** 32)),
    'out-of-range',
  );
});

test('matches that the switch would refuse cannot be written', () => {
  assert.is(matchCode({ vlanPcp: 8 }), 'out-of-range');
  assert.is(matchCode({ ipv6Src: 2n ** 128n }), 'out-of-range');
  assert.is(matchCode({ ipv4Src: { value: 1, mask: 0xffffff00 } }), 'value-outside-mask');
  assert.is(matchCode({ sctpSrc: { value: 1, mask: 1 } } as unknown as Match), 'value-outside-mask');
  assert.is(matchCode({ tunnelId: 7 } as unknown as Match), 'wrong-type');
  assert.is(matchCode({ inPort: 7n } as unknown as Match), 'wrong-type');
  assert.is(matchCode({ nwSrc: 1 } as unknown as Match), 'unknown-field');
  assert.is(matchCode({ ethDst: 'not an address' } as unknown as Match), 'bad-address');
});

test('bits that a field does not have cannot be moved', () => {
  assert.is(
    encodeCode(() => regMove('pktMark', 'tunnelId', 33)),
    'out-of-range',
  );
  assert.is(
    encodeCode(() => regMove('pktMark', 'vlanVid', 13, 0, 1)),
    'out-of-range',
  );
});

test('what the types do not allow is no message, whatever it lacks', () => {
  const rubbish: unknown[] = [
    ...[null, undefined, 1, {}, { type: 'nope' }],
    ...[
      { type: 'multipart-request', part: 'nope' },
      { type: 'flow-mod' },
      { type: 'packet-out', actions: [{ type: 'nope' }] },
    ],
    { ...flowMod({ command: 'add' }), match: null },
  ];
  // As a caller does that is not compiled.
  for (const message of rubbish as Parameters<typeof encode>[0][])
    assert.is.not(
      encodeCode(() => encode(message, 1)),
      'nothing thrown',
    );
});

test('a message over 65535 bytes cannot be written', () => {
  const instructions = [applyActions(...Array.from({ length: 4096 }, () => output(1)))];
  assert.is(
    encodeCode(() => encode(flowMod({ command: 'add', instructions }), 1)),
    'message-too-long',
  );
});

test('addresses and their text forms', () => {
  assert.is(ethAddress('0A:0b:0C:0d:0E:0f'), '0a:0b:0c:0d:0e:0f');
  assert.is(ipv4Text(ipv4('192.168.1.254')), '192.168.1.254');
  assert.equal([ipv4Mask(0), ipv4Mask(8), ipv4Mask(32)], [0, 0xff000000, 0xffffffff]);
  assert.is(ipv6('fd00::1'), (0xfd00n << 112n) | 1n);
  assert.is(ipv6Text(ipv6('::')), '0:0:0:0:0:0:0:0');
  assert.is(ipv6Text(ipv6('1:2:3:4:5:6:7:8')), '1:2:3:4:5:6:7:8');
  for (const text of ['1.2.3', '1.2.3.256', '1.2.3.', 'a.b.c.d'])
    assert.is(
      encodeCode(() => ipv4(text)),
      'bad-address',
    );
  for (const text of ['1:2', '1::2::3', ':::', 'g::', '1:2:3:4:5:6:7:8:9', '1:2:3:4::5:6:7:8']) {
    assert.is(
      encodeCode(() => ipv6(text)),
      'bad-address',
    );
  }
});

test('errors have names', () => {
  assert.is(errorName(5, 1), 'FLOW_MOD_FAILED TABLE_FULL');
  assert.is(errorName(11, 0), 'ROLE_REQUEST_FAILED STALE');
  assert.is(errorName(99, 7), '99 7');
});

test.run();
