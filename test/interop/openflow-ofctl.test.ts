// Our bytes as Open vSwitch reads them: each field, action, instruction and message is written by the codec, printed by
// `ovs-ofctl ofp-parse` and compared with the text a person expects. Needs Debian's openvswitch-common.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Action,
  applyActions,
  encode,
  ethAddress,
  FIELDS,
  type FieldName,
  flowMod,
  gotoTable,
  type Instruction,
  ipv4,
  ipv4Mask,
  ipv6,
  type Match,
  type Message,
  NX_RESUBMIT_IN_PORT,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const OFCTL_TIMEOUT_MS = 10_000;

/** What Open vSwitch prints of each message, in order. */
function ovsPrint(messages: readonly Message[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'ofctl-'));
  try {
    const file = join(folder, 'stream');
    writeFileSync(file, Buffer.concat(messages.map((message, xid) => encode(message, xid))));
    const args = ['--no-names', 'ofp-parse', file];
    const text = execFileSync('ovs-ofctl', args, { encoding: 'utf8', timeout: OFCTL_TIMEOUT_MS });
    const printed = text.split(/^(?=OFP[A-Z]+_[A-Z_]+ (?:request |reply )?\()/m).map((part) => part.trim());
    assert.is(printed.length, messages.length, text);
    return printed;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const mac = ethAddress('02:00:00:00:00:01');
const multicast = ethAddress('01:00:00:00:00:00');
const ip = { ethType: 0x0800 } as const;
const arp = { ethType: 0x0806 } as const;
const ip6 = { ethType: 0x86dd } as const;
const mpls = { ethType: 0x8847 } as const;
const tcp = { ...ip, ipProto: 6 } as const;
const icmp6 = { ...ip6, ipProto: 58 } as const;

const MATCHES: readonly (readonly [match: Match, text: string])[] = [
  [{}, ''],
  [{ inPort: 3 }, 'in_port=3'],
  [{ inPort: PortNumber.local }, 'in_port=LOCAL'],
  [{ metadata: 0x1234n }, 'metadata=0x1234'],
  [{ metadata: { value: 0x10n, mask: 0xf0n } }, 'metadata=0x10/0xf0'],
  [{ ethDst: mac }, 'dl_dst=02:00:00:00:00:01'],
  [{ ethSrc: mac }, 'dl_src=02:00:00:00:00:01'],
  [{ ethDst: { value: multicast, mask: multicast } }, 'dl_dst=01:00:00:00:00:00/01:00:00:00:00:00'],
  [{ ethType: 0x88cc }, 'dl_type=0x88cc'],
  [{ vlanVid: 0x1005 }, 'dl_vlan=5'],
  [{ vlanVid: 0 }, 'vlan_tci=0x0000/0x1fff'],
  [{ vlanVid: { value: 0x1000, mask: 0x1000 } }, 'vlan_tci=0x1000/0x1000'],
  [{ vlanVid: 0x1005, vlanPcp: 3 }, 'dl_vlan=5,dl_vlan_pcp=3'],
  [{ ...ip, ipDscp: 10 }, 'ip,nw_tos=40'],
  [{ ...ip, ipEcn: 2 }, 'ip,nw_ecn=2'],
  [{ ...ip, ipProto: 200 }, 'ip,nw_proto=200'],
  [{ ...ip, ipv4Src: ipv4('10.1.2.3') }, 'ip,nw_src=10.1.2.3'],
  [{ ...ip, ipv4Dst: { value: ipv4('10.1.0.0'), mask: ipv4Mask(16) } }, 'ip,nw_dst=10.1.0.0/16'],
  [{ ...tcp, tcpSrc: 80 }, 'tcp,tp_src=80'],
  [{ ...tcp, tcpDst: 81 }, 'tcp,tp_dst=81'],
  [{ ...ip, ipProto: 17, udpSrc: 82 }, 'udp,tp_src=82'],
  [{ ...ip, ipProto: 17, udpDst: 83 }, 'udp,tp_dst=83'],
  [{ ...ip, ipProto: 132, sctpSrc: 84 }, 'sctp,tp_src=84'],
  [{ ...ip, ipProto: 132, sctpDst: 85 }, 'sctp,tp_dst=85'],
  [{ ...ip, ipProto: 1, icmpv4Type: 8 }, 'icmp,icmp_type=8'],
  [{ ...ip, ipProto: 1, icmpv4Code: 7 }, 'icmp,icmp_code=7'],
  [{ ...arp, arpOp: 2 }, 'arp,arp_op=2'],
  [{ ...arp, arpSpa: ipv4('1.2.3.4') }, 'arp,arp_spa=1.2.3.4'],
  [{ ...arp, arpTpa: ipv4('1.2.3.5') }, 'arp,arp_tpa=1.2.3.5'],
  [{ ...arp, arpSha: mac }, 'arp,arp_sha=02:00:00:00:00:01'],
  [{ ...arp, arpTha: mac }, 'arp,arp_tha=02:00:00:00:00:01'],
  [{ ...ip6, ipv6Src: ipv6('fd00::1') }, 'ipv6,ipv6_src=fd00::1'],
  [{ ...ip6, ipv6Dst: { value: ipv6('fd00::'), mask: ipv6('ffff:ffff:ffff:ffff::') } }, 'ipv6,ipv6_dst=fd00::/64'],
  [{ ...ip6, ipv6Flabel: 0x12345 }, 'ipv6,ipv6_label=0x12345'],
  [{ ...icmp6, icmpv6Type: 135 }, 'icmp6,icmp_type=135'],
  [{ ...icmp6, icmpv6Code: 3 }, 'icmp6,icmp_code=3'],
  [{ ...icmp6, icmpv6Type: 135, ipv6NdTarget: ipv6('fd00::3') }, 'icmp6,icmp_type=135,nd_target=fd00::3'],
  [
    { ...icmp6, icmpv6Type: 135, icmpv6Code: 0, ipv6NdSll: mac },
    'icmp6,icmp_type=135,icmp_code=0,nd_sll=02:00:00:00:00:01',
  ],
  [
    { ...icmp6, icmpv6Type: 136, icmpv6Code: 0, ipv6NdTll: mac },
    'icmp6,icmp_type=136,icmp_code=0,nd_tll=02:00:00:00:00:01',
  ],
  [{ ...mpls, mplsLabel: 100 }, 'mpls,mpls_label=100'],
  [{ ...mpls, mplsTc: 3 }, 'mpls,mpls_tc=3'],
  [{ ...mpls, mplsBos: 1 }, 'mpls,mpls_bos=1'],
  [{ tunnelId: 7n }, 'tun_id=0x7'],
  [{ tunnelId: { value: 7n, mask: 0xffn } }, 'tun_id=0x7/0xff'],
  [{ ...ip, ipFrag: 1 }, 'ip,nw_frag=first'],
  [{ ...ip, ipTtl: 64 }, 'ip,nw_ttl=64'],
  [{ tunIpv4Src: ipv4('1.1.1.1') }, 'tun_src=1.1.1.1'],
  [{ tunIpv4Dst: { value: ipv4('2.2.0.0'), mask: ipv4Mask(15) } }, 'tun_dst=2.2.0.0/15'],
  [{ pktMark: 9 }, 'pkt_mark=0x9'],
  [{ conjId: 4 }, 'conj_id=4'],
  [{ ctState: { value: 0x22, mask: 0x23 } }, 'ct_state=-new+est+trk'],
  [{ ctZone: 6 }, 'ct_zone=6'],
  [{ ctMark: { value: 1, mask: 3 } }, 'ct_mark=0x1/0x3'],
  [{ ctLabel: 5n }, 'ct_label=0x5'],
  [{ tunIpv6Src: ipv6('fd00::4') }, 'tun_ipv6_src=fd00::4'],
  [{ tunIpv6Dst: ipv6('fd00::5') }, 'tun_ipv6_dst=fd00::5'],
  [{ reg0: 1, reg1: 2, reg2: 3, reg3: 4 }, 'reg0=0x1,reg1=0x2,reg2=0x3,reg3=0x4'],
  [{ reg4: 5, reg5: 6, reg6: 7, reg7: 8 }, 'reg4=0x5,reg5=0x6,reg6=0x7,reg7=0x8'],
  [{ reg8: 9, reg9: 10, reg10: 11, reg11: 12 }, 'reg8=0x9,reg9=0xa,reg10=0xb,reg11=0xc'],
  [
    { reg12: 13, reg13: 14, reg14: 15, reg15: { value: 16, mask: 0xf0 } },
    'reg12=0xd,reg13=0xe,reg14=0xf,reg15=0x10/0xf0',
  ],
  [
    { inPort: 1, ...tcp, ipv4Src: ipv4('1.2.3.4'), tcpDst: 80, reg0: 5 },
    'tcp,reg0=0x5,in_port=1,nw_src=1.2.3.4,tp_dst=80',
  ],
];

/** Fields that Open vSwitch 3.1 does not know. */
const UNKNOWN_TO_OVS: readonly FieldName[] = ['inPhyPort', 'pbbIsid', 'ipv6Exthdr'];

test('Open vSwitch reads every match field as we mean it', () => {
  const printed = ovsPrint(MATCHES.map(([match]) => flowMod({ command: 'add', match })));
  for (const [i, [, text]] of MATCHES.entries()) {
    const fields = text === '' ? '' : `${text} `;
    assert.is(printed[i], `OFPT_FLOW_MOD (OF1.3) (xid=0x${i.toString(16)}): ADD ${fields}actions=drop`);
  }
});

test('every field that Open vSwitch knows is in the table above', () => {
  const covered = new Set(MATCHES.flatMap(([match]) => Object.keys(match)));
  const missing = (Object.keys(FIELDS) as FieldName[]).filter((name) => !covered.has(name));
  assert.equal(missing, UNKNOWN_TO_OVS);
});

const ACTIONS: readonly (readonly [match: Match, action: Action, text: string])[] = [
  [{}, output(3), 'output:3'],
  [{}, output(PortNumber.inPort), 'IN_PORT'],
  [{}, output(PortNumber.local), 'LOCAL'],
  [{}, output(PortNumber.flood), 'FLOOD'],
  [{}, output(PortNumber.normal), 'NORMAL'],
  [{}, output(PortNumber.all), 'ALL'],
  [{}, output(PortNumber.controller), 'CONTROLLER:65535'],
  [{}, output(PortNumber.controller, 128), 'CONTROLLER:128'],
  [mpls, { type: 'dec-mpls-ttl' }, 'dec_mpls_ttl'],
  [{ vlanVid: 0x1001 }, { type: 'pop-vlan' }, 'pop_vlan'],
  [ip, { type: 'dec-nw-ttl' }, 'dec_ttl'],
  [{}, { type: 'push-vlan', ethType: 0x8100 }, 'push_vlan:0x8100'],
  [ip, { type: 'push-mpls', ethType: 0x8847 }, 'push_mpls:0x8847'],
  [mpls, { type: 'pop-mpls', ethType: 0x0800 }, 'pop_mpls:0x0800'],
  [mpls, { type: 'set-mpls-ttl', ttl: 5 }, 'set_mpls_ttl(5)'],
  [ip, { type: 'set-nw-ttl', ttl: 6 }, 'mod_nw_ttl:6'],
  [{}, { type: 'set-queue', queueId: 7 }, 'set_queue:7'],
  [{}, { type: 'group', groupId: 8 }, 'group:8'],
  [{}, regMove('pktMark', 'tunnelId', 24, 8, 0), 'move:NXM_NX_PKT_MARK[8..31]->NXM_NX_TUN_ID[0..23]'],
  [{}, regMove('reg1', 'pktMark', 32), 'move:NXM_NX_REG1[]->NXM_NX_PKT_MARK[]'],
  [{}, { type: 'nx-reg-load', to: 'reg0', toBit: 4, bits: 8, value: 0xabn }, 'load:0xab->NXM_NX_REG0[4..11]'],
  [{}, { type: 'nx-resubmit', inPort: 5 }, 'resubmit:5'],
  [{}, { type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId: 9 }, 'resubmit(,9)'],
  [{}, { type: 'nx-resubmit-table', inPort: 3, tableId: 255 }, 'resubmit:3'],
  [{}, { type: 'nx-note', note: Uint8Array.of(1, 2, 3, 4, 5, 6) }, 'note:01.02.03.04.05.06'],
  [{}, setField('ethDst', mac), 'set_field:02:00:00:00:00:01->eth_dst'],
  [{}, setField('tunnelId', 7n), 'set_field:0x7->tun_id'],
  [{}, setField('tunIpv4Dst', ipv4('1.2.3.4')), 'set_field:1.2.3.4->tun_dst'],
  [{}, setField('reg3', 7), 'set_field:0x7->reg3'],
  [{}, setField('pktMark', 8), 'set_field:0x8->pkt_mark'],
  [ip, setField('ipv4Src', ipv4('1.2.3.4')), 'set_field:1.2.3.4->ip_src'],
  [ip6, setField('ipv6Src', ipv6('fd00::1')), 'set_field:fd00::1->ipv6_src'],
  [arp, setField('arpSha', mac), 'set_field:02:00:00:00:00:01->arp_sha'],
  [arp, setField('arpOp', 2), 'set_field:2->arp_op'],
  [{ vlanVid: 0x1001 }, setField('vlanVid', 0x1005), 'set_field:4101->vlan_vid'],
  [tcp, setField('tcpDst', 80), 'set_field:80->tcp_dst'],
];

test('Open vSwitch reads every action as we mean it', () => {
  const messages = ACTIONS.map(([match, action]) =>
    flowMod({ command: 'add', match, instructions: [applyActions(action)] }),
  );
  const texts = ovsPrint(messages).map((printed) => printed.split(' actions=')[1]);
  assert.equal(
    texts,
    ACTIONS.map(([, , text]) => text),
  );
});

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
