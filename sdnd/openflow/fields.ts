// The match fields: one row of facts for each, and the TypeScript types that follow from the rows. Holds no behaviour;
// reading and writing them is the room `oxm`.

import type { EthAddress } from './addresses.ts';
import { ONF_EXPERIMENTER } from './experimenter-errors.ts';
import {
  ETH,
  IN_CT,
  MASKABLE,
  narrow,
  OXM_CLASS,
  READ_ONLY,
  rowsOf,
  SETTABLE,
  U8,
  U16,
  U24,
  U32,
  U64,
  U128,
  WHOLE,
} from './field-rows.ts';

const basic = rowsOf(OXM_CLASS.openflowBasic, undefined);
const register = rowsOf(OXM_CLASS.packetRegisters, undefined);
const niciraOf = rowsOf(OXM_CLASS.niciraOf, undefined);
const nicira = rowsOf(OXM_CLASS.nicira, undefined);
const onf = rowsOf(OXM_CLASS.experimenter, ONF_EXPERIMENTER);

// A row: number within the class, format, mask, set, name. Rows stand in the order in which a match is written: a
// field's prerequisites (7.2.3.8) always come before it, as they must.
// Basic class: 7.2.3.7 with its table of required match fields; in set-field all but IN_PORT, IN_PHY_PORT and METADATA
// (7.2.5). The other classes: ovs-fields(7) of Open vSwitch 3.1, which also takes masks of TCP's and UDP's ports.
export const FIELDS = {
  inPort: basic(0, U32, WHOLE, READ_ONLY, 'OXM_OF_IN_PORT'),
  inPhyPort: basic(1, U32, WHOLE, READ_ONLY, 'OXM_OF_IN_PHY_PORT'),
  metadata: basic(2, U64, MASKABLE, READ_ONLY, 'OXM_OF_METADATA'),
  ethDst: basic(3, ETH, MASKABLE, SETTABLE, 'OXM_OF_ETH_DST'),
  ethSrc: basic(4, ETH, MASKABLE, SETTABLE, 'OXM_OF_ETH_SRC'),
  ethType: basic(5, U16, WHOLE, SETTABLE, 'OXM_OF_ETH_TYPE'),
  vlanVid: basic(6, narrow(13, 2), MASKABLE, SETTABLE, 'OXM_OF_VLAN_VID'),
  vlanPcp: basic(7, narrow(3, 1), WHOLE, SETTABLE, 'OXM_OF_VLAN_PCP'),
  ipDscp: basic(8, narrow(6, 1), WHOLE, SETTABLE, 'OXM_OF_IP_DSCP'),
  ipEcn: basic(9, narrow(2, 1), WHOLE, SETTABLE, 'OXM_OF_IP_ECN'),
  ipProto: basic(10, U8, WHOLE, SETTABLE, 'OXM_OF_IP_PROTO'),
  ipv4Src: basic(11, U32, MASKABLE, SETTABLE, 'OXM_OF_IPV4_SRC'),
  ipv4Dst: basic(12, U32, MASKABLE, SETTABLE, 'OXM_OF_IPV4_DST'),
  tcpSrc: basic(13, U16, MASKABLE, SETTABLE, 'OXM_OF_TCP_SRC'),
  tcpDst: basic(14, U16, MASKABLE, SETTABLE, 'OXM_OF_TCP_DST'),
  udpSrc: basic(15, U16, MASKABLE, SETTABLE, 'OXM_OF_UDP_SRC'),
  udpDst: basic(16, U16, MASKABLE, SETTABLE, 'OXM_OF_UDP_DST'),
  sctpSrc: basic(17, U16, WHOLE, SETTABLE, 'OXM_OF_SCTP_SRC'),
  sctpDst: basic(18, U16, WHOLE, SETTABLE, 'OXM_OF_SCTP_DST'),
  icmpv4Type: basic(19, U8, WHOLE, SETTABLE, 'OXM_OF_ICMPV4_TYPE'),
  icmpv4Code: basic(20, U8, WHOLE, SETTABLE, 'OXM_OF_ICMPV4_CODE'),
  arpOp: basic(21, U16, WHOLE, SETTABLE, 'OXM_OF_ARP_OP'),
  arpSpa: basic(22, U32, MASKABLE, SETTABLE, 'OXM_OF_ARP_SPA'),
  arpTpa: basic(23, U32, MASKABLE, SETTABLE, 'OXM_OF_ARP_TPA'),
  arpSha: basic(24, ETH, MASKABLE, SETTABLE, 'OXM_OF_ARP_SHA'),
  arpTha: basic(25, ETH, MASKABLE, SETTABLE, 'OXM_OF_ARP_THA'),
  ipv6Src: basic(26, U128, MASKABLE, SETTABLE, 'OXM_OF_IPV6_SRC'),
  ipv6Dst: basic(27, U128, MASKABLE, SETTABLE, 'OXM_OF_IPV6_DST'),
  ipv6Flabel: basic(28, narrow(20, 4), MASKABLE, SETTABLE, 'OXM_OF_IPV6_FLABEL'),
  icmpv6Type: basic(29, U8, WHOLE, SETTABLE, 'OXM_OF_ICMPV6_TYPE'),
  icmpv6Code: basic(30, U8, WHOLE, SETTABLE, 'OXM_OF_ICMPV6_CODE'),
  ipv6NdTarget: basic(31, U128, WHOLE, SETTABLE, 'OXM_OF_IPV6_ND_TARGET'),
  ipv6NdSll: basic(32, ETH, WHOLE, SETTABLE, 'OXM_OF_IPV6_ND_SLL'),
  ipv6NdTll: basic(33, ETH, WHOLE, SETTABLE, 'OXM_OF_IPV6_ND_TLL'),
  mplsLabel: basic(34, narrow(20, 4), WHOLE, SETTABLE, 'OXM_OF_MPLS_LABEL'),
  mplsTc: basic(35, narrow(3, 1), WHOLE, SETTABLE, 'OXM_OF_MPLS_TC'),
  mplsBos: basic(36, narrow(1, 1), WHOLE, SETTABLE, 'OXM_OF_MPLS_BOS'),
  pbbIsid: basic(37, U24, MASKABLE, SETTABLE, 'OXM_OF_PBB_ISID'),
  tunnelId: basic(38, U64, MASKABLE, SETTABLE, 'OXM_OF_TUNNEL_ID'),
  ipv6Exthdr: basic(39, narrow(9, 2), MASKABLE, SETTABLE, 'OXM_OF_IPV6_EXTHDR'),
  tcpFlags: onf(42, narrow(12, 2), MASKABLE, READ_ONLY, 'ONFOXM_ET_TCP_FLAGS'),
  actsetOutput: onf(43, U32, WHOLE, READ_ONLY, 'ONFOXM_ET_ACTSET_OUTPUT'),
  xreg0: register(0, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG0'),
  xreg1: register(1, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG1'),
  xreg2: register(2, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG2'),
  xreg3: register(3, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG3'),
  xreg4: register(4, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG4'),
  xreg5: register(5, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG5'),
  xreg6: register(6, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG6'),
  xreg7: register(7, U64, MASKABLE, SETTABLE, 'OXM_OF_PKT_REG7'),
  nxInPort: niciraOf(0, U16, WHOLE, SETTABLE, 'NXM_OF_IN_PORT'),
  vlanTci: niciraOf(4, U16, MASKABLE, SETTABLE, 'NXM_OF_VLAN_TCI'),
  ipTos: niciraOf(5, U8, WHOLE, SETTABLE, 'NXM_OF_IP_TOS'),
  reg0: nicira(0, U32, MASKABLE, SETTABLE, 'NXM_NX_REG0'),
  reg1: nicira(1, U32, MASKABLE, SETTABLE, 'NXM_NX_REG1'),
  reg2: nicira(2, U32, MASKABLE, SETTABLE, 'NXM_NX_REG2'),
  reg3: nicira(3, U32, MASKABLE, SETTABLE, 'NXM_NX_REG3'),
  reg4: nicira(4, U32, MASKABLE, SETTABLE, 'NXM_NX_REG4'),
  reg5: nicira(5, U32, MASKABLE, SETTABLE, 'NXM_NX_REG5'),
  reg6: nicira(6, U32, MASKABLE, SETTABLE, 'NXM_NX_REG6'),
  reg7: nicira(7, U32, MASKABLE, SETTABLE, 'NXM_NX_REG7'),
  reg8: nicira(8, U32, MASKABLE, SETTABLE, 'NXM_NX_REG8'),
  reg9: nicira(9, U32, MASKABLE, SETTABLE, 'NXM_NX_REG9'),
  reg10: nicira(10, U32, MASKABLE, SETTABLE, 'NXM_NX_REG10'),
  reg11: nicira(11, U32, MASKABLE, SETTABLE, 'NXM_NX_REG11'),
  reg12: nicira(12, U32, MASKABLE, SETTABLE, 'NXM_NX_REG12'),
  reg13: nicira(13, U32, MASKABLE, SETTABLE, 'NXM_NX_REG13'),
  reg14: nicira(14, U32, MASKABLE, SETTABLE, 'NXM_NX_REG14'),
  reg15: nicira(15, U32, MASKABLE, SETTABLE, 'NXM_NX_REG15'),
  ipFrag: nicira(26, narrow(2, 1), MASKABLE, READ_ONLY, 'NXM_NX_IP_FRAG'),
  ipTtl: nicira(29, U8, WHOLE, SETTABLE, 'NXM_NX_IP_TTL'),
  mplsTtl: nicira(30, U8, WHOLE, SETTABLE, 'NXM_NX_MPLS_TTL'),
  tunIpv4Src: nicira(31, U32, MASKABLE, SETTABLE, 'NXM_NX_TUN_IPV4_SRC'),
  tunIpv4Dst: nicira(32, U32, MASKABLE, SETTABLE, 'NXM_NX_TUN_IPV4_DST'),
  pktMark: nicira(33, U32, MASKABLE, SETTABLE, 'NXM_NX_PKT_MARK'),
  conjId: nicira(37, U32, WHOLE, READ_ONLY, 'NXM_NX_CONJ_ID'),
  tunGbpId: nicira(38, U16, MASKABLE, SETTABLE, 'NXM_NX_TUN_GBP_ID'),
  tunGbpFlags: nicira(39, U8, MASKABLE, SETTABLE, 'NXM_NX_TUN_GBP_FLAGS'),
  tunFlags: nicira(104, narrow(1, 2), MASKABLE, SETTABLE, 'NXM_NX_TUN_FLAGS'),
  ctState: nicira(105, U32, MASKABLE, READ_ONLY, 'NXM_NX_CT_STATE'),
  ctZone: nicira(106, U16, WHOLE, READ_ONLY, 'NXM_NX_CT_ZONE'),
  ctMark: nicira(107, U32, MASKABLE, IN_CT, 'NXM_NX_CT_MARK'),
  ctLabel: nicira(108, U128, MASKABLE, IN_CT, 'NXM_NX_CT_LABEL'),
  tunIpv6Src: nicira(109, U128, MASKABLE, SETTABLE, 'NXM_NX_TUN_IPV6_SRC'),
  tunIpv6Dst: nicira(110, U128, MASKABLE, SETTABLE, 'NXM_NX_TUN_IPV6_DST'),
  xxreg0: nicira(111, U128, MASKABLE, SETTABLE, 'NXM_NX_XXREG0'),
  xxreg1: nicira(112, U128, MASKABLE, SETTABLE, 'NXM_NX_XXREG1'),
  xxreg2: nicira(113, U128, MASKABLE, SETTABLE, 'NXM_NX_XXREG2'),
  xxreg3: nicira(114, U128, MASKABLE, SETTABLE, 'NXM_NX_XXREG3'),
  ctNwProto: nicira(119, U8, WHOLE, READ_ONLY, 'NXM_NX_CT_NW_PROTO'),
  ctNwSrc: nicira(120, U32, MASKABLE, READ_ONLY, 'NXM_NX_CT_NW_SRC'),
  ctNwDst: nicira(121, U32, MASKABLE, READ_ONLY, 'NXM_NX_CT_NW_DST'),
  ctIpv6Src: nicira(122, U128, MASKABLE, READ_ONLY, 'NXM_NX_CT_IPV6_SRC'),
  ctIpv6Dst: nicira(123, U128, MASKABLE, READ_ONLY, 'NXM_NX_CT_IPV6_DST'),
  ctTpSrc: nicira(124, U16, MASKABLE, READ_ONLY, 'NXM_NX_CT_TP_SRC'),
  ctTpDst: nicira(125, U16, MASKABLE, READ_ONLY, 'NXM_NX_CT_TP_DST'),
} as const;

// Older numbers of the same fields (ovs-fields(7)). Open vSwitch writes them in its own actions, whatever number the
// controller used, so they must be read; they are never written.
export const NXM_ALIASES: readonly (readonly [oxmClass: number, id: number, name: keyof typeof FIELDS])[] = [
  [OXM_CLASS.niciraOf, 1, 'ethDst'],
  [OXM_CLASS.niciraOf, 2, 'ethSrc'],
  [OXM_CLASS.niciraOf, 3, 'ethType'],
  [OXM_CLASS.niciraOf, 6, 'ipProto'],
  [OXM_CLASS.niciraOf, 7, 'ipv4Src'],
  [OXM_CLASS.niciraOf, 8, 'ipv4Dst'],
  [OXM_CLASS.niciraOf, 9, 'tcpSrc'],
  [OXM_CLASS.niciraOf, 10, 'tcpDst'],
  [OXM_CLASS.niciraOf, 11, 'udpSrc'],
  [OXM_CLASS.niciraOf, 12, 'udpDst'],
  [OXM_CLASS.niciraOf, 13, 'icmpv4Type'],
  [OXM_CLASS.niciraOf, 14, 'icmpv4Code'],
  [OXM_CLASS.niciraOf, 15, 'arpOp'],
  [OXM_CLASS.niciraOf, 16, 'arpSpa'],
  [OXM_CLASS.niciraOf, 17, 'arpTpa'],
  [OXM_CLASS.nicira, 16, 'tunnelId'],
  [OXM_CLASS.nicira, 17, 'arpSha'],
  [OXM_CLASS.nicira, 18, 'arpTha'],
  [OXM_CLASS.nicira, 19, 'ipv6Src'],
  [OXM_CLASS.nicira, 20, 'ipv6Dst'],
  [OXM_CLASS.nicira, 21, 'icmpv6Type'],
  [OXM_CLASS.nicira, 22, 'icmpv6Code'],
  [OXM_CLASS.nicira, 23, 'ipv6NdTarget'],
  [OXM_CLASS.nicira, 24, 'ipv6NdSll'],
  [OXM_CLASS.nicira, 25, 'ipv6NdTll'],
  [OXM_CLASS.nicira, 27, 'ipv6Flabel'],
  [OXM_CLASS.nicira, 28, 'ipEcn'],
  [OXM_CLASS.nicira, 34, 'tcpFlags'],
];

type Fields = typeof FIELDS;

/** The name of a match field, such as 'inPort' or 'reg3'. */
export type FieldName = keyof Fields;

interface ValueOfKind {
  readonly number: number;
  readonly bigint: bigint;
  readonly eth: EthAddress;
}

/** The type of a field's value: number, bigint (64 and 128 bits, IPv6 too) or EthAddress; IPv4 is a 32-bit number. */
export type FieldValue<F extends FieldName> = ValueOfKind[Fields[F]['kind']];

/** The fields that may be matched under a mask. */
export type MaskableField = { [F in FieldName]: Fields[F]['maskable'] extends true ? F : never }[FieldName];

/** The fields that a set-field action may write. */
export type SettableField = { [F in FieldName]: Fields[F]['settable'] extends typeof SETTABLE ? F : never }[FieldName];

/** The fields that only the actions within a ct action may write. */
export type CtSettableField = { [F in FieldName]: Fields[F]['settable'] extends typeof IN_CT ? F : never }[FieldName];

/** Presence bit of a VLAN tag in `vlanVid`, OFPVID_PRESENT; the match on untagged packets is 0 (7.2.3.7). */
export const VLAN_PRESENT = 0x1000;
