// Flows, groups and meters beside their bytes, which were written by hand.

import {
  applyActions,
  ethAddress,
  flowMod,
  gotoTable,
  ipv4,
  ipv4Mask,
  NX_RESUBMIT_IN_PORT,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import { test } from 'uvu';
import { golden } from './golden-bytes.ts';

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
