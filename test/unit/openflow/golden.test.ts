// Messages whose bytes were written by hand from the structures of the OpenFlow 1.3.5 specification, field by field.

import {
  applyActions,
  decode,
  encode,
  ethAddress,
  flowMod,
  gotoTable,
  ipv4,
  ipv4Mask,
  type Message,
  NX_RESUBMIT_IN_PORT,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

function bytesOf(hex: string): Uint8Array {
  const digits = hex.replaceAll(/\/\/.*$/gm, '').replaceAll(/\s/g, '');
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(i * 2, i * 2 + 2), 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The message is written as these bytes and these bytes are read as the message. */
function golden(name: string, xid: number, message: Message, hex: string): void {
  test(name, () => {
    const bytes = bytesOf(hex);
    assert.is(hexOf(encode(message, xid)), hexOf(bytes));
    assert.equal(decode(bytes), { kind: 'message', message, xid, version: 4, bytes: bytes.length });
  });
}

golden(
  'hello with a version bitmap',
  1,
  { type: 'hello', versions: [4] },
  `04 00 0010 00000001
   0001 0008 00000010 // OFPHET_VERSIONBITMAP, bit 4`,
);

golden(
  'hello with versions beyond 31 and padding',
  2,
  { type: 'hello', versions: [1, 33] },
  `04 00 0018 00000002
   0001 000c 00000002 00000002 00000000`,
);

golden('echo request', 7, { type: 'echo-request', data: bytesOf('cafe') }, '04 02 000a 00000007 cafe');

golden('barrier request', 9, { type: 'barrier-request' }, '04 14 0008 00000009');

golden(
  'error: flow-mod failed, table full',
  3,
  { type: 'error', errorType: 5, errorCode: 1, data: bytesOf('040e') },
  '04 01 000e 00000003 0005 0001 040e',
);

golden(
  'features reply',
  4,
  {
    type: 'features-reply',
    datapathId: 0x0000_0a0b_0c0d_0e0fn,
    bufferCount: 256,
    tableCount: 254,
    auxiliaryId: 0,
    capabilities: 0x4f,
  },
  `04 06 0020 00000004
   00000a0b0c0d0e0f 00000100 fe 00 0000
   0000004f 00000000`,
);

golden('set-config', 5, { type: 'set-config', flags: 0, missSendBytes: 0xffff }, '04 09 000c 00000005 0000 ffff');

golden(
  'role request',
  6,
  { type: 'role-request', role: 'master', generationId: 0x1122n },
  '04 18 0018 00000006 00000002 00000000 0000000000001122',
);

golden(
  'set-async',
  6,
  {
    type: 'set-async',
    packetIn: { master: 7, slave: 0 },
    portStatus: { master: 7, slave: 7 },
    flowRemoved: { master: 15, slave: 0 },
  },
  '04 1c 0020 00000006 00000007 00000000 00000007 00000007 0000000f 00000000',
);

golden(
  'packet-in with an in_port match',
  8,
  {
    type: 'packet-in',
    bufferId: 0xffffffff,
    totalBytes: 4,
    reason: 'action',
    tableId: 2,
    cookie: 0x55n,
    match: { inPort: 3 },
    data: bytesOf('01020304'),
  },
  `04 0a 002e 00000008
   ffffffff 0004 01 02 0000000000000055
   0001 000c 80000004 00000003 00000000 // match of 12 bytes, padded to 16
   0000 01020304`,
);

golden(
  'packet-out to a port',
  9,
  {
    type: 'packet-out',
    bufferId: 0xffffffff,
    inPort: PortNumber.controller,
    actions: [output(5)],
    data: bytesOf('aabbcc'),
  },
  `04 0d 002b 00000009
   ffffffff fffffffd 0010 000000000000
   0000 0010 00000005 ffff 000000000000
   aabbcc`,
);

golden(
  'flow-mod: match with a mask, apply-actions, goto-table',
  10,
  flowMod({
    command: 'add',
    tableId: 1,
    priority: 100,
    cookie: 0x1234n,
    flags: 1,
    idleTimeoutSec: 60,
    match: {
      inPort: 1,
      ethDst: ethAddress('02:00:00:00:00:01'),
      ethType: 0x0800,
      ipv4Src: { value: ipv4('10.1.0.0'), mask: ipv4Mask(16) },
    },
    instructions: [applyActions(setField('tunnelId', 7n), output(2)), gotoTable(3)],
  }),
  `04 0e 0088 0000000a
   0000000000001234 0000000000000000
   01 00 003c 0000 0064
   ffffffff ffffffff ffffffff
   0001 0000
   0001 0028 // match: 4 + 8 + 10 + 6 + 12 = 40 bytes, no padding
   80000004 00000001
   80000606 020000000001
   80000a02 0800
   80001708 0a010000 ffff0000
   0004 0028 00000000 // apply-actions: 8 + 16 + 16
   0019 0010 80004c08 0000000000000007
   0000 0010 00000002 ffff 000000000000
   0001 0008 03 000000`,
);

golden(
  'flow-mod: the fields that no other test knows, written in the order of their numbers',
  19,
  flowMod({
    command: 'add',
    match: {
      ipv6Exthdr: { value: 0x101, mask: 0x1ff },
      pbbIsid: { value: 0x010203, mask: 0x0fffff },
      ethType: 0x88e7,
      inPhyPort: 2,
      inPort: 1,
    },
  }),
  `04 0e 0060 00000013
   0000000000000000 0000000000000000
   00 00 0000 0000 8000
   ffffffff ffffffff ffffffff
   0000 0000
   0001 002c // match: 4 + 8 + 8 + 6 + 10 + 8 = 44 bytes, padded to 48
   80000004 00000001
   80000204 00000002
   80000a02 88e7
   80004b06 010203 0fffff
   80004f04 0101 01ff
   00000000`,
);

golden(
  'flow-mod: set-field of six bytes is padded; Nicira move and resubmit',
  11,
  flowMod({
    command: 'delete-strict',
    match: { reg1: { value: 0x10, mask: 0xff } },
    instructions: [
      applyActions(
        setField('ethDst', ethAddress('0a:0b:0c:0d:0e:0f')),
        regMove('pktMark', 'tunnelId', 24, 8, 0),
        { type: 'nx-reg-load', to: 'reg0', toBit: 4, bits: 8, value: 0xabn },
        { type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId: 9 },
      ),
    ],
  }),
  `04 0e 0098 0000000b
   0000000000000000 0000000000000000
   00 04 0000 0000 8000
   ffffffff ffffffff ffffffff
   0000 0000
   0001 0010 00010308 00000010 000000ff // NXM_NX_REG1 with a mask
   0004 0058 00000000 // apply-actions: 8 + 16 + 24 + 24 + 16
   0019 0010 80000606 0a0b0c0d0e0f 0000
   ffff 0018 00002320 0006 0018 0008 0000 00014204 80004c08 // NXAST_REG_MOVE
   ffff 0018 00002320 0007 0107 00010004 00000000000000ab   // NXAST_REG_LOAD: offset 4, 8 bits
   ffff 0010 00002320 000e fff8 09 000000                   // NXAST_RESUBMIT_TABLE`,
);

golden(
  'flow-removed',
  12,
  {
    type: 'flow-removed',
    cookie: 1n,
    priority: 2,
    reason: 'hard-timeout',
    tableId: 3,
    durationSec: 4,
    durationNsec: 5,
    idleTimeoutSec: 6,
    hardTimeoutSec: 7,
    packetCount: 8n,
    byteCount: 9n,
    match: {},
  },
  `04 0b 0038 0000000c
   0000000000000001 0002 01 03 00000004 00000005 0006 0007
   0000000000000008 0000000000000009
   0001 0004 00000000`,
);

const port = {
  portNo: 2,
  hwAddress: ethAddress('02:11:22:33:44:55'),
  name: 'vx0',
  config: 1,
  state: 4,
  current: 0x2820,
  advertised: 0,
  supported: 0,
  peer: 0,
  currentKbps: 10_000_000,
  maxKbps: 0,
};

const portHex = `00000002 00000000 021122334455 0000
   76783000 00000000 00000000 00000000
   00000001 00000004 00002820 00000000 00000000 00000000 00989680 00000000`;

golden(
  'port-status',
  13,
  { type: 'port-status', reason: 'modify', port },
  `04 0c 0050 0000000d 02 00000000000000 ${portHex}`,
);

golden(
  'multipart reply: port description',
  14,
  { type: 'multipart-reply', more: true, part: 'port-desc', ports: [port] },
  `04 13 0050 0000000e 000d 0001 00000000 ${portHex}`,
);

golden(
  'multipart request: flows',
  15,
  {
    type: 'multipart-request',
    more: false,
    part: 'flow',
    tableId: 0xff,
    outPort: PortNumber.any,
    outGroup: 0xffffffff,
    cookie: 0x10n,
    cookieMask: 0xf0n,
    match: {},
  },
  `04 12 0038 0000000f 0001 0000 00000000
   ff 000000 ffffffff ffffffff 00000000
   0000000000000010 00000000000000f0
   0001 0004 00000000`,
);

golden(
  'multipart reply: flows',
  16,
  {
    type: 'multipart-reply',
    more: false,
    part: 'flow',
    flows: [
      {
        tableId: 1,
        durationSec: 2,
        durationNsec: 3,
        priority: 4,
        idleTimeoutSec: 5,
        hardTimeoutSec: 6,
        flags: 1,
        cookie: 7n,
        packetCount: 8n,
        byteCount: 9n,
        match: { inPort: 1 },
        instructions: [gotoTable(2)],
      },
    ],
  },
  `04 13 0058 00000010 0001 0000 00000000
   0048 01 00 00000002 00000003 0004 0005 0006 0001 00000000
   0000000000000007 0000000000000008 0000000000000009
   0001 000c 80000004 00000001 00000000
   0001 0008 02 000000`,
);

golden(
  'group-mod',
  17,
  {
    type: 'group-mod',
    command: 'add',
    groupType: 'all',
    groupId: 5,
    buckets: [{ weight: 0, watchPort: PortNumber.any, watchGroup: 0xffffffff, actions: [{ type: 'pop-vlan' }] }],
  },
  `04 0f 0028 00000011 0000 00 00 00000005
   0018 0000 ffffffff ffffffff 00000000
   0012 0008 00000000`,
);

golden(
  'meter-mod',
  18,
  {
    type: 'meter-mod',
    command: 'add',
    flags: 5,
    meterId: 1,
    bands: [
      { type: 'drop', rate: 1000, burst: 100 },
      { type: 'dscp-remark', rate: 500, burst: 50, precedence: 2 },
    ],
  },
  `04 1d 0030 00000012 0000 0005 00000001
   0001 0010 000003e8 00000064 00000000
   0002 0010 000001f4 00000032 02 000000`,
);

test.run();
