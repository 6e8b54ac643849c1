// The package's public face: OpenFlow 1.3 messages as typed values, bytes to messages and back. Everything else in this
// folder is private to it.

export {
  type Action,
  CONTROLLER_BYTES_MAX,
  CONTROLLER_WHOLE_PACKET,
  output,
  type SetField,
  setField,
} from './action-types.ts';
export { type ActionType, NESTED_ACTIONS_MAX } from './actions.ts';
export { type EthAddress, ethAddress, ipv4, ipv4Mask, ipv4Text, ipv6, ipv6Text } from './addresses.ts';
export { type BundleControlType, BundleFlag, type OnfBundleAdd, type OnfBundleControl } from './bundles.ts';
export {
  type ErrorCodeName,
  type ErrorName,
  ErrorType,
  errorName,
  type WireError,
  wireError,
} from './error-codes.ts';
export { type ErrorMessage, errorMessage } from './error-message.ts';
export { NX_EXPERIMENTER, ONF_EXPERIMENTER } from './experimenter-errors.ts';
export { type BadCode, type EncodeCode, EncodeError } from './faults.ts';
export type {
  ActionId,
  ExperimenterId,
  FieldId,
  InstructionId,
  NamedFieldId,
  RawFieldId,
  UnknownId,
} from './feature-ids.ts';
export {
  type CtSettableField,
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
  errorAnswer,
  MessageReader,
  type NeedMore,
  OPENFLOW_13,
  type Result,
} from './frame.ts';
export {
  GroupCapability,
  type GroupCounts,
  type GroupDesc,
  type GroupFeatures,
  type GroupStats,
  type PerGroupType,
} from './group-stats.ts';
export type { Bucket, GroupMod, GroupModCommand, GroupType } from './groups.ts';
export { applyActions, gotoTable, type Instruction, type InstructionType } from './instructions.ts';
export type { Match } from './match.ts';
export type { Message, MessageOf, MessageType } from './message.ts';
export type { BandStats, MeterConfig, MeterFeatures, MeterStats } from './meter-stats.ts';
export { type MeterBand, MeterFlag, type MeterMod, type MeterModCommand, MeterNumber } from './meters.ts';
export type { MultipartReply, MultipartRequest } from './multipart.ts';
export type { ExperimenterPart, PartName, RawPart } from './multipart-parts.ts';
export type {
  CtNested,
  CtZone,
  FieldBits,
  NatRange,
  NiciraAction,
  NxCheckPacketLarger,
  NxClone,
  NxConjunction,
  NxController,
  NxController2,
  NxCt,
  NxDecTtl,
  NxFinTimeout,
  NxNat,
  NxNote,
  NxOutputReg,
  NxOutputTrunc,
  NxRegLoad,
  NxRegLoad2,
  NxRegMove,
  NxResubmit,
  NxResubmitTable,
  NxSetTunnel,
  NxStack,
  NxWriteMetadata,
  SetCtField,
} from './nicira/action-types.ts';
export { CtFlag, CtState, NatFlag, NX_CT_NO_TABLE } from './nicira/ct-action.ts';
export { regMove } from './nicira/field-actions.ts';
export type {
  AsyncWish,
  NxCtFlushZone,
  NxSetAsyncConfig,
  NxSetAsyncConfig2,
  NxSetControllerId,
  NxSetPacketInFormat,
  PacketInFormat,
} from './nicira/messages.ts';
export type { NxPacketIn2 } from './nicira/packet-in2.ts';
export type { NxTlvTableMod, NxTlvTableReply, TlvMapping } from './nicira/tlv-table.ts';
export type { Masked, RawField } from './oxm.ts';
export { NO_BUFFER, type PacketIn, type PacketInReason, type PacketOut, packetOut } from './packets.ts';
export type { PortMod, PortStatus, PortStatusReason } from './port-messages.ts';
export { NX_RESUBMIT_IN_PORT, type Port, PortConfig, PortFeature, PortNumber, PortState } from './ports.ts';
export { type MissingPrerequisite, missingPrerequisite, type Prerequisite } from './prerequisites.ts';
export {
  QUEUE_ALL,
  type Queue,
  type QueueConfigReply,
  type QueueConfigRequest,
  type QueueFilter,
  type QueueProperty,
  type QueueStats,
} from './queues.ts';
export type { AsyncConfig, AsyncReasons, ControllerRole, ReasonMasks, RoleMessage } from './roles.ts';
export { Capability, type FeaturesReply, FragmentHandling, type SwitchConfig, type TableMod } from './switch-config.ts';
export type { PortStats, SwitchDesc } from './switch-stats.ts';
export type { Echo, Experimenter, Hello } from './symmetric.ts';
export type { TableFeatures, TableProperty } from './table-features.ts';
