// What a session says beside flows (features, roles, packets, ports) beside its bytes, which were written by hand.

import { output, PortNumber } from '@openflow/ofp';
import { test } from 'uvu';
import { bytesOf, golden } from './golden-bytes.ts';
import { SAMPLE_PORT as port } from './sample-port.ts';

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

test.run();
