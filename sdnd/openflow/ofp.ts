// The package's public face: OpenFlow 1.3 messages as typed values, bytes to messages and back. Everything else in this
// folder is private to it.

export {
  type Action,
  CONTROLLER_BYTES_MAX,
  CONTROLLER_WHOLE_PACKET,
  output,
  type SetField,
  setField,
} from './actions.ts';
export { type EthAddress, ethAddress, ipv4, ipv4Mask, ipv4Text, ipv6, ipv6Text } from './addresses.ts';
export { type ErrorMessage, ErrorType, errorName } from './error-message.ts';
export { type BadCode, type EncodeCode, EncodeError } from './faults.ts';
export {
  FIELDS,
  type FieldName,
  type FieldValue,
  type MaskableField,
  type SettableField,
  VLAN_PRESENT,
} from './fields.ts';
export { type AggregateStats, EVERY_FLOW, type FlowFilter, type FlowStats, type TableStats } from './flow-stats.ts';
export {
  type FlowMod,
  type FlowModCommand,
  FlowModFlag,
  type FlowRemoved,
  type FlowRemovedReason,
  flowMod,
  GroupNumber,
  PRIORITY_DEFAULT,
  TABLE_ALL,
} from './flows.ts';
export {
  type Bad,
  type Decoded,
  decode,
  encode,
  MessageReader,
  type NeedMore,
  OPENFLOW_13,
  type Result,
} from './frame.ts';
export type { Bucket, GroupMod, GroupModCommand, GroupType } from './groups.ts';
export { applyActions, gotoTable, type Instruction } from './instructions.ts';
export type { Masked, Match, RawField } from './match.ts';
export type { Message, MessageOf, MessageType } from './message.ts';
export { type MeterBand, MeterFlag, type MeterMod, type MeterModCommand, MeterNumber } from './meters.ts';
export type { MultipartReply, MultipartRequest } from './multipart.ts';
export {
  NX_EXPERIMENTER,
  type NxNote,
  type NxRegLoad,
  type NxRegMove,
  type NxResubmit,
  type NxResubmitTable,
  regMove,
} from './nicira.ts';
export { NO_BUFFER, type PacketIn, type PacketInReason, type PacketOut, packetOut } from './packets.ts';
export type { PortMod, PortStatus, PortStatusReason } from './port-messages.ts';
export { NX_RESUBMIT_IN_PORT, type Port, PortConfig, PortNumber, PortState } from './ports.ts';
export type { AsyncConfig, ControllerRole, ReasonMasks, RoleMessage } from './roles.ts';
export { Capability, type FeaturesReply, FragmentHandling, type SwitchConfig, type TableMod } from './switch-config.ts';
export type { PortStats, SwitchDesc } from './switch-stats.ts';
export type { Echo, Experimenter, Hello } from './symmetric.ts';
