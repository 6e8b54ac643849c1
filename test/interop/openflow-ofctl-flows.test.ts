// Matches and actions as Open vSwitch reads them: each field and each action is written by the codec, printed by `ovs-ofctl
// ofp-parse` and compared with the text a person expects. Needs Debian's openvswitch-common.

import {
  type Action,
  applyActions,
  ethAddress,
  FIELDS,
  type FieldName,
  flowMod,
  ipv4,
  ipv4Mask,
  ipv6,
  type Match,
  missingPrerequisite,
  NX_RESUBMIT_IN_PORT,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ovsPrint } from './ovs-print.ts';

const mac = ethAddress('02:00:00:00:00:01');
const multicast = ethAddress('01:00:00:00:00:00');
const ip = { ethType: 0x0800 } as const;
const arp = { ethType: 0x0806 } as const;
const ip6 = { ethType: 0x86dd } as const;
const mpls = { ethType: 0x8847 } as const;
const tcp = { ...ip, ipProto: 6 } as const;
const tracked = { ctState: { value: 0x22, mask: 0x22 } } as const;
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
  [{ ...mpls, mplsTtl: 64 }, 'mpls,mpls_ttl=64'],
  [{ ...tcp, tcpFlags: { value: 2, mask: 0x12 } }, 'tcp,tcp_flags=+syn-ack'],
  [{ actsetOutput: 7 }, 'actset_output=7'],
  [{ ...ip, ipTos: 0x28 }, 'ip,nw_tos=40'],
  [{ nxInPort: 3 }, 'in_port=3'],
  [{ vlanTci: { value: 0x1005, mask: 0x1fff } }, 'dl_vlan=5'],
  [{ tunGbpId: 5 }, 'tun_gbp_id=5'],
  [{ tunGbpFlags: { value: 8, mask: 0x18 } }, 'tun_gbp_flags=0x8'],
  [{ tunFlags: { value: 1, mask: 1 } }, 'tun_flags=+oam'],
  [{ xreg0: 1n, xreg1: 2n, xreg2: 3n }, 'reg0=0,reg1=0x1,reg2=0,reg3=0x2,reg4=0,reg5=0x3'],
  [{ xreg3: 4n, xreg4: 5n, xreg5: 6n }, 'reg6=0,reg7=0x4,reg8=0,reg9=0x5,reg10=0,reg11=0x6'],
  [{ xreg6: 7n, xreg7: 0x1_0000_0008n }, 'reg12=0,reg13=0x7,reg14=0x1,reg15=0x8'],
  [{ xxreg0: { value: 1n << 96n, mask: 0xffn << 96n } }, 'reg0=0x1/0xff'],
  [{ xxreg1: 5n }, 'reg4=0,reg5=0,reg6=0,reg7=0x5'],
  [{ xxreg2: 6n }, 'reg8=0,reg9=0,reg10=0,reg11=0x6'],
  [{ xxreg3: 7n }, 'reg12=0,reg13=0,reg14=0,reg15=0x7'],
  [{ ...ip, ...tracked, ctNwProto: 6 }, 'ct_state=+est+trk,ct_nw_proto=6,ip'],
  [{ ...ip, ...tracked, ctNwSrc: ipv4('1.2.3.4') }, 'ct_state=+est+trk,ct_nw_src=1.2.3.4,ip'],
  [
    { ...ip, ...tracked, ctNwDst: { value: ipv4('1.2.0.0'), mask: ipv4Mask(16) } },
    'ct_state=+est+trk,ct_nw_dst=1.2.0.0/16,ip',
  ],
  [{ ...ip6, ...tracked, ctIpv6Src: ipv6('fd00::1') }, 'ct_state=+est+trk,ct_ipv6_src=fd00::1,ipv6'],
  [{ ...ip6, ...tracked, ctIpv6Dst: ipv6('fd00::2') }, 'ct_state=+est+trk,ct_ipv6_dst=fd00::2,ipv6'],
  [{ ...ip, ...tracked, ctNwProto: 6, ctTpSrc: 80 }, 'ct_state=+est+trk,ct_nw_proto=6,ct_tp_src=80,ip'],
  [{ ...ip, ...tracked, ctNwProto: 6, ctTpDst: 81 }, 'ct_state=+est+trk,ct_nw_proto=6,ct_tp_dst=81,ip'],
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

test('a field lacks a prerequisite for us where it does for Open vSwitch', () => {
  const none = { number: 0, bigint: 0n, eth: mac } as const;
  const names = (Object.keys(FIELDS) as FieldName[]).filter((name) => !UNKNOWN_TO_OVS.includes(name));
  const alone = names.map((name): Match => ({ [name]: none[FIELDS[name].kind] }));
  const table = MATCHES.map(([match]) => match);
  const matches = [...alone, ...table];
  const printed = ovsPrint(matches.map((match) => flowMod({ command: 'add', match })));
  for (const [i, match] of matches.entries()) {
    const lacks = missingPrerequisite(match) !== undefined;
    assert.is(printed[i]?.includes('OFPBMC_BAD_PREREQ'), lacks, `${Object.keys(match)}: ${printed[i]}`);
  }
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

test.run();
