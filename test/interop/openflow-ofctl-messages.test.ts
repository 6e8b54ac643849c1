// Messages and instructions as Open vSwitch reads them: each is written by the codec, printed by `ovs-ofctl ofp-parse` and
// compared with the text a person expects. Needs Debian's openvswitch-common.

import {
  applyActions,
  ethAddress,
  flowMod,
  gotoTable,
  type Instruction,
  type Message,
  output,
  PortNumber,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { SAMPLE_PORT as port } from '../unit/openflow/sample-port.ts';
import { ovsPrint } from './ovs-print.ts';

const mac = ethAddress('02:00:00:00:00:01');

const INSTRUCTIONS: readonly Instruction[] = [
  { type: 'meter', meterId: 3 },
  applyActions(output(3), output(4)),
  { type: 'clear-actions' },
  { type: 'write-actions', actions: [output(5)] },
  { type: 'write-metadata', metadata: 5n, mask: 7n },
  gotoTable(9),
];

const INSTRUCTIONS_TEXT =
  'meter:3,output:3,output:4,clear_actions,write_actions(output:5),write_metadata:0x5/0x7,goto_table:9';

const portText = `2(vx0): addr:02:11:22:33:44:55
     config:     PORT_DOWN
     state:      LIVE
     current:    1GB-FD COPPER AUTO_NEG
     speed: 10000 Mbps now, 0 Mbps max`;

const filter = { tableId: 3, outPort: 4, outGroup: 5, cookie: 6n, cookieMask: 7n, match: { inPort: 1 } };
const asyncMasks = {
  packetIn: { master: 7, slave: 1 },
  portStatus: { master: 7, slave: 7 },
  flowRemoved: { master: 15, slave: 0 },
};

/** Messages and a text that their print must hold. */
const MESSAGES: readonly (readonly [message: Message, text: string])[] = [
  [{ type: 'hello', versions: [1, 4] }, 'version bitmap: 0x01, 0x04'],
  [{ type: 'error', errorType: 5, errorCode: 1, data: new Uint8Array(0) }, 'OFPFMFC_TABLE_FULL'],
  [{ type: 'error', errorType: 11, errorCode: 0, data: new Uint8Array(0) }, 'OFPRRFC_STALE'],
  [{ type: 'echo-request', data: new Uint8Array(3) }, 'OFPT_ECHO_REQUEST (OF1.3) (xid=0x3): 3 bytes of payload'],
  [{ type: 'echo-reply', data: new Uint8Array(0) }, 'OFPT_ECHO_REPLY (OF1.3) (xid=0x4): 0 bytes of payload'],
  [{ type: 'features-request' }, 'OFPT_FEATURES_REQUEST'],
  [
    {
      type: 'features-reply',
      datapathId: 0xabcn,
      bufferCount: 256,
      tableCount: 254,
      auxiliaryId: 0,
      capabilities: 0x4f,
    },
    `dpid:0000000000000abc
n_tables:254, n_buffers:256
capabilities: FLOW_STATS TABLE_STATS PORT_STATS GROUP_STATS QUEUE_STATS`,
  ],
  [{ type: 'get-config-request' }, 'OFPT_GET_CONFIG_REQUEST'],
  [
    { type: 'set-config', flags: 1, missSendBytes: 99 },
    'OFPT_SET_CONFIG (OF1.3) (xid=0x8): frags=drop miss_send_len=99',
  ],
  [{ type: 'get-config-reply', flags: 0, missSendBytes: 128 }, 'frags=normal miss_send_len=128'],
  [
    {
      type: 'packet-in',
      bufferId: 0xffffffff,
      totalBytes: 60,
      reason: 'no-match',
      tableId: 2,
      cookie: 5n,
      match: { inPort: 3, tunnelId: 7n, reg2: 4 },
      data: new Uint8Array(60),
    },
    'table_id=2 cookie=0x5 total_len=60 reg2=0x4,tun_id=0x7,in_port=3 (via no_match) data_len=60 (unbuffered)',
  ],
  [
    {
      type: 'packet-out',
      bufferId: 0xffffffff,
      inPort: PortNumber.controller,
      actions: [output(2)],
      data: new Uint8Array(60),
    },
    'in_port=CONTROLLER actions=output:2 data_len=60',
  ],
  [
    flowMod({
      command: 'delete-strict',
      tableId: 2,
      priority: 9,
      cookie: 0x1234n,
      idleTimeoutSec: 5,
      hardTimeoutSec: 6,
      outPort: 3,
      flags: 0x1f,
      bufferId: 7,
      match: { inPort: 1 },
    }),
    'DEL_STRICT table:2 priority=9,in_port=1 idle:5 hard:6 buf:0x7 out_port:3 ' +
      'send_flow_rem check_overlap reset_counts no_packet_counts no_byte_counts',
  ],
  [flowMod({ command: 'modify', cookie: 1n, cookieMask: 3n }), 'MOD cookie:0x1/0x3'],
  [flowMod({ command: 'add', instructions: INSTRUCTIONS }), INSTRUCTIONS_TEXT],
  [
    {
      type: 'flow-removed',
      cookie: 1n,
      priority: 2,
      reason: 'group-delete',
      tableId: 3,
      durationSec: 4,
      durationNsec: 5_000_000,
      idleTimeoutSec: 6,
      hardTimeoutSec: 7,
      packetCount: 8n,
      byteCount: 9n,
      match: { inPort: 3 },
    },
    'priority=2,in_port=3 reason=group_delete table_id=3 cookie:0x1 duration4.005s idle6 hard7 pkts8 bytes9',
  ],
  [{ type: 'port-status', reason: 'modify', port }, `MOD: ${portText}`],
  [
    { type: 'port-mod', portNo: 2, hwAddress: mac, config: 1, mask: 1, advertise: 0 },
    'port: 2: addr:02:00:00:00:00:01\n     config: PORT_DOWN\n     mask:   PORT_DOWN\n     advertise: UNCHANGED',
  ],
  [{ type: 'table-mod', tableId: 3, config: 0 }, 'table_id=3'],
  [
    {
      type: 'group-mod',
      command: 'add',
      groupType: 'fast-failover',
      groupId: 3,
      buckets: [{ weight: 0, watchPort: 1, watchGroup: 0xffffffff, actions: [output(1)] }],
    },
    'ADD group_id=3,type=ff,bucket=watch_port:1,actions=output:1',
  ],
  [
    {
      type: 'group-mod',
      command: 'modify',
      groupType: 'select',
      groupId: 4,
      buckets: [2, 3].map((weight) => ({ weight, watchPort: PortNumber.any, watchGroup: 0xffffffff, actions: [] })),
    },
    'MOD group_id=4,type=select,bucket=weight:2,actions=drop,bucket=weight:3,actions=drop',
  ],
  [
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
    'ADD meter=1 kbps burst bands=\ntype=drop rate=1000 burst_size=100\ntype=dscp_remark rate=500 burst_size=50 prec_level=2',
  ],
  [{ type: 'barrier-request' }, 'OFPT_BARRIER_REQUEST'],
  [{ type: 'barrier-reply' }, 'OFPT_BARRIER_REPLY'],
  [{ type: 'role-request', role: 'master', generationId: 3n }, 'role=primary generation_id=3'],
  [{ type: 'role-reply', role: 'slave', generationId: 4n }, 'role=secondary generation_id=4'],
  [{ type: 'get-async-request' }, 'OFPT_GET_ASYNC_REQUEST'],
  [{ type: 'set-async', ...asyncMasks }, 'PACKET_IN: no_match action invalid_ttl'],
  [{ type: 'get-async-reply', ...asyncMasks }, 'FLOW_REMOVED: idle hard delete group_delete'],
  [{ type: 'multipart-request', more: false, part: 'desc' }, 'OFPST_DESC request'],
  [{ type: 'multipart-request', more: false, part: 'table' }, 'OFPST_TABLE request'],
  [{ type: 'multipart-request', more: false, part: 'port-desc' }, 'OFPST_PORT_DESC request'],
  [{ type: 'multipart-request', more: false, part: 'port-stats', portNo: 3 }, 'port_no=3'],
  [
    { type: 'multipart-request', more: false, part: 'flow', ...filter },
    'OFPST_FLOW request (OF1.3) (xid=0x21): table=3 out_port=4 in_port=1',
  ],
  [
    { type: 'multipart-request', more: false, part: 'aggregate', ...filter },
    'OFPST_AGGREGATE request (OF1.3) (xid=0x22): table=3 out_port=4 in_port=1',
  ],
  [
    {
      type: 'multipart-reply',
      more: false,
      part: 'desc',
      manufacturer: 'm',
      hardware: 'h',
      software: 's',
      serialNumber: 'n',
      datapath: 'd',
    },
    'Manufacturer: m\nHardware: h\nSoftware: s\nSerial Num: n\nDP Description: d',
  ],
  [
    {
      type: 'multipart-reply',
      more: false,
      part: 'flow',
      flows: [
        {
          tableId: 1,
          durationSec: 2,
          durationNsec: 3_000_000,
          priority: 4,
          idleTimeoutSec: 5,
          hardTimeoutSec: 6,
          flags: 1,
          cookie: 7n,
          packetCount: 8n,
          byteCount: 9n,
          match: { inPort: 1 },
          instructions: INSTRUCTIONS,
        },
      ],
    },
    'cookie=0x7, duration=2.003s, table=1, n_packets=8, n_bytes=9, idle_timeout=5, hard_timeout=6, send_flow_rem ' +
      `priority=4,in_port=1 actions=${INSTRUCTIONS_TEXT}`,
  ],
  [
    { type: 'multipart-reply', more: true, part: 'aggregate', packetCount: 1n, byteCount: 2n, flowCount: 3 },
    'flags=[more] packet_count=1 byte_count=2 flow_count=3',
  ],
  [
    {
      type: 'multipart-reply',
      more: false,
      part: 'table',
      tables: [{ tableId: 1, activeCount: 2, lookupCount: 3n, matchedCount: 4n }],
    },
    'table 1:\n    active=2, lookup=3, matched=4',
  ],
  [
    {
      type: 'multipart-reply',
      more: false,
      part: 'port-stats',
      ports: [
        {
          portNo: 1,
          rxPackets: 2n,
          txPackets: 3n,
          rxBytes: 4n,
          txBytes: 5n,
          rxDropped: 6n,
          txDropped: 7n,
          rxErrors: 8n,
          txErrors: 9n,
          rxFrameErrors: 10n,
          rxOverErrors: 11n,
          rxCrcErrors: 12n,
          collisions: 13n,
          durationSec: 14,
          durationNsec: 15_000_000,
        },
      ],
    },
    `port  1: rx pkts=2, bytes=4, drop=6, errs=8, frame=10, over=11, crc=12
           tx pkts=3, bytes=5, drop=7, errs=9, coll=13
           duration=14.015s`,
  ],
  [{ type: 'multipart-reply', more: false, part: 'port-desc', ports: [port, port] }, `${portText}\n ${portText}`],
];

test('Open vSwitch reads every message as we mean it', () => {
  const printed = ovsPrint(MESSAGES.map(([message]) => message));
  for (const [i, [message, text]] of MESSAGES.entries()) {
    assert.ok(printed[i]?.includes(text), `${message.type}: wanted '${text}' in '${printed[i]}'`);
  }
});

test.run();
