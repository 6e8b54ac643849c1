// The error that answers each fault of a peer's message, and the check of a match's prerequisites.
import {
  type Bad,
  decode,
  encode,
  errorAnswer,
  errorMessage,
  errorName,
  ethAddress,
  FIELDS,
  type FieldName,
  flowMod,
  type Match,
  MessageReader,
  missingPrerequisite,
  NESTED_ACTIONS_MAX,
  ONF_EXPERIMENTER,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesOf, hexOf } from './golden-bytes.ts';

function bad(bytes: Uint8Array): Bad {
  const result = decode(bytes);
  if (result.kind !== 'bad') throw new Error(`read as ${result.kind}`);
  return result;
}

function answerName(hex: string): string {
  const { errorType, errorCode } = bad(bytesOf(hex)).answer;
  return errorName(errorType, errorCode);
}

/** A flow-mod whose match and instructions are given. */
function flowModHex(rest: string): string {
  const head = `${'0'.repeat(32)}00 00 0000 0000 8000 ffffffff ffffffff ffffffff 0000 0000`;
  const body = (head + rest).replaceAll(' ', '');
  return `040e${(8 + body.length / 2).toString(16).padStart(4, '0')}00000007${body}`;
}

const NO_MATCH = '0001000400000000';

const FAULTS: readonly (readonly [what: string, hex: string, answer: string])[] = [
  ['a version of another message', '05 0a 0008 00000001', 'BAD_REQUEST BAD_VERSION'],
  ['a length under the header', '04 02 0007 00000001', 'BAD_REQUEST BAD_LEN'],
  ['a type that is none', '04 63 0008 00000001', 'BAD_REQUEST BAD_TYPE'],
  ['a body too short', '04 18 000c 00000001 00000002', 'BAD_REQUEST BAD_LEN'],
  ['a body too long', '04 14 0009 00000001 00', 'BAD_REQUEST BAD_LEN'],
  ['a role that is none', '04 18 0018 00000001 00000009 00000000 0000000000000000', 'ROLE_REQUEST_FAILED BAD_ROLE'],
  ['a group command that is none', '04 0f 0010 00000001 0009 00 00 00000000', 'GROUP_MOD_FAILED BAD_COMMAND'],
  ['a group type that is none', '04 0f 0010 00000001 0000 09 00 00000000', 'GROUP_MOD_FAILED BAD_TYPE'],
  [
    'a meter band that is none',
    `04 1d 0020 00000001 0000 0000 00000001 0009 0010 ${'00'.repeat(12)}`,
    'METER_MOD_FAILED BAD_BAND',
  ],
  ['a match type that is none', flowModHex('0000000400000000'), 'BAD_MATCH BAD_TYPE'],
  ['a field cut off', flowModHex('0001 000a 80000a08 0000 000000000000'), 'BAD_MATCH BAD_LEN'],
  ['a field of another length', flowModHex('0001 0009 80000a01 ff 00000000000000'), 'BAD_MATCH BAD_LEN'],
  ['a field twice', flowModHex('0001 0010 80000a02 0800 80000a02 0800'), 'BAD_MATCH DUP_FIELD'],
  ['a value outside its mask', flowModHex('0001 000c 80000d04 00ff 00f0 00000000'), 'BAD_MATCH BAD_WILDCARDS'],
  ['an instruction that is none', flowModHex(`${NO_MATCH} 0009 0008 00000000`), 'BAD_INSTRUCTION UNKNOWN_INST'],
  ['an instruction cut off', flowModHex(`${NO_MATCH} 0001 0010 00000000`), 'BAD_INSTRUCTION BAD_LEN'],
  ['an action that is none', flowModHex(`${NO_MATCH} 0004 0010 00000000 0063 0008 00000000`), 'BAD_ACTION BAD_TYPE'],
  [
    'an action of a wrong length',
    flowModHex(`${NO_MATCH} 0004 0010 00000000 0012 0007 00000000`),
    'BAD_ACTION BAD_LEN',
  ],
  [
    'a set-field of a wrong length',
    flowModHex(`${NO_MATCH} 0004 0018 00000000 0019 0010 80000a04 00000000 00000000`),
    'BAD_ACTION BAD_SET_LEN',
  ],
  [
    'a table property that is none',
    `04 12 0058 00000001 000c 0000 00000000 0048 00 0000000000 ${'00'.repeat(32)} ${'00'.repeat(24)} 0009 0004 00000000`,
    'TABLE_FEATURES_FAILED BAD_TYPE',
  ],
];

for (const [what, hex, answer] of FAULTS) {
  test(`${what} is answered by ${answer}`, () => assert.is(answerName(hex), answer));
}

test('the answer carries the first 64 bytes of the message and goes back as an error', () => {
  const request = encode({ type: 'echo-request', data: new Uint8Array(99).fill(7) }, 9);
  request[1] = 99;
  const fault = bad(request);
  const answer = errorAnswer(fault);
  assert.equal(answer, errorMessage('BAD_REQUEST', 'BAD_TYPE', request));
  assert.equal(answer?.data, request.slice(0, 64));
});

test('a bad message that came in pieces is answered with its own bytes', () => {
  const request = bytesOf('04 63 0010 00000001 1122334455667788');
  const reader = new MessageReader();
  const results = [...reader.push(request.slice(0, 3)), ...reader.push(request.slice(3))];
  assert.is(results[0]?.kind === 'bad' && hexOf(results[0].head), hexOf(request));
});

test('a bad error is not answered', () => {
  assert.is(errorAnswer(bad(bytesOf('04 01 0009 00000001 00'))), undefined);
});

test('names of bundle errors', () => {
  assert.is(errorName(0xffff, 2313, ONF_EXPERIMENTER), 'BUNDLE_FAILED MSG_FAILED');
  assert.is(errorName(0xffff, 2313, 7), 'EXPERIMENTER 2313');
});

/** A packet-out of clones within clones. */
function nest(depth: number): Uint8Array {
  const bytes = new Uint8Array(24 + 16 * depth);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x040d0000 + bytes.length);
  view.setUint16(16, 16 * depth);
  for (let i = 0; i < depth; i++) {
    const at = 24 + 16 * i;
    view.setUint32(at, 0xffff0000 + 16 * (depth - i));
    view.setUint32(at + 4, 0x2320);
    view.setUint16(at + 8, 42);
  }
  return bytes;
}

test('actions nest to a limit: one deeper is bad, and so are as many as fit a message', () => {
  assert.is(decode(nest(NESTED_ACTIONS_MAX)).kind, 'message');
  for (const depth of [NESTED_ACTIONS_MAX + 2, 4000]) {
    const { code, answer } = bad(nest(depth));
    assert.is(code, 'too-deep');
    assert.is(errorName(answer.errorType, answer.errorCode), 'BAD_ACTION TOO_MANY');
  }
});

const COMPLETE: readonly Match[] = [
  {},
  { inPort: 1, inPhyPort: 2 },
  { vlanVid: { value: 0x1000, mask: 0x1000 }, vlanPcp: 1 },
  { ethType: 0x86dd, ipProto: 58, icmpv6Type: 136, ipv6NdTarget: 1n },
  { ethType: 0x0800, ctState: { value: 0x22, mask: 0x22 }, ctNwDst: 1 },
  { ethType: 0x0800, ctState: { value: 0x20, mask: 0x30 }, ctNwDst: 1 },
  { ethType: 0x0800, ipProto: 6, tcpFlags: { value: 2, mask: 2 }, tcpDst: 80 },
];

const LACKING: readonly (readonly [match: Match, field: FieldName, needs: FieldName])[] = [
  [{ inPhyPort: 1 }, 'inPhyPort', 'inPort'],
  [{ vlanVid: 0, vlanPcp: 1 }, 'vlanPcp', 'vlanVid'],
  [{ ipProto: 6, tcpDst: 80 }, 'ipProto', 'ethType'],
  [{ ethType: 0x0800, ipProto: 17, tcpDst: 80 }, 'tcpDst', 'ipProto'],
  [{ ethType: 0x86dd, ipv4Src: 1 }, 'ipv4Src', 'ethType'],
  [
    { ethType: 0x86dd, ipProto: 58, icmpv6Type: 135, ipv6NdTll: ethAddress('00:00:00:00:00:00') },
    'ipv6NdTll',
    'icmpv6Type',
  ],
  [{ ethType: 0x0800, ctState: { value: 0, mask: 0x20 }, ctNwDst: 1 }, 'ctNwDst', 'ctState'],
  [{ ethType: 0x0800, ctState: { value: 0x20, mask: 0x20 }, ctNwDst: 1 }, 'ctNwDst', 'ctState'],
];

test('a match with its prerequisites lacks nothing', () => {
  for (const match of COMPLETE) assert.is(missingPrerequisite(match), undefined, JSON.stringify(Object.keys(match)));
});

test('a missing prerequisite is named with the field that needs it', () => {
  for (const [match, field, needs] of LACKING) {
    const missing = missingPrerequisite(match);
    assert.equal([missing?.field, missing?.needs.field], [field, needs]);
  }
});

test('a match is written in the order of its prerequisites, however its fields stand in the object', () => {
  const wrong = flowMod({ command: 'add', match: { tcpDst: 80, ipProto: 6, ethType: 0x0800 } });
  const right = flowMod({ command: 'add', match: { ethType: 0x0800, ipProto: 6, tcpDst: 80 } });
  assert.equal(encode(wrong, 1), encode(right, 1));
});

test('all 40 basic fields of the specification have a row', () => {
  const basic = Object.values(FIELDS).filter(({ name }) => name.startsWith('OXM_OF_') && !name.includes('PKT_REG'));
  assert.equal(
    basic.map(({ code }) => (code / 512) % 128),
    Array.from({ length: 40 }, (_, id) => id),
  );
});

test.run();
