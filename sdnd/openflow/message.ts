// Every message in one union, and the table from its type to its codec. A new message is a row here and a codec in the
// room of its concern.

import { bundleAddCodec, bundleControlCodec, type OnfBundleAdd, type OnfBundleControl } from './bundles.ts';
import { EXPERIMENTER_TYPE, type Extension, type MessageCodec } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { type ErrorMessage, errorCodec } from './error-message.ts';
import { type FlowMod, type FlowRemoved, flowModCodec, flowRemovedCodec } from './flows.ts';
import { type GroupMod, groupModCodec } from './groups.ts';
import { type MeterMod, meterModCodec } from './meters.ts';
import { type MultipartReply, type MultipartRequest, multipartReplyCodec, multipartRequestCodec } from './multipart.ts';
import {
  ctFlushZoneCodec,
  type NxCtFlushZone,
  type NxSetAsyncConfig,
  type NxSetAsyncConfig2,
  type NxSetControllerId,
  type NxSetPacketInFormat,
  setAsyncConfig2Codec,
  setAsyncConfigCodec,
  setControllerIdCodec,
  setPacketInFormatCodec,
} from './nicira/messages.ts';
import { type NxPacketIn2, packetIn2MessageCodec, resumeCodec } from './nicira/packet-in2.ts';
import {
  type NxTlvTableMod,
  type NxTlvTableReply,
  tlvTableModCodec,
  tlvTableReplyCodec,
  tlvTableRequestCodec,
} from './nicira/tlv-table.ts';
import { type PacketIn, type PacketOut, packetInCodec, packetOutCodec } from './packets.ts';
import { type PortMod, type PortStatus, portModCodec, portStatusCodec } from './port-messages.ts';
import {
  type QueueConfigReply,
  type QueueConfigRequest,
  queueConfigReplyCodec,
  queueConfigRequestCodec,
} from './queues.ts';
import {
  type AsyncConfig,
  getAsyncReplyCodec,
  type RoleMessage,
  roleReplyCodec,
  roleRequestCodec,
  setAsyncCodec,
} from './roles.ts';
import {
  type FeaturesReply,
  featuresReplyCodec,
  getConfigReplyCodec,
  type SwitchConfig,
  setConfigCodec,
  type TableMod,
  tableModCodec,
} from './switch-config.ts';
import {
  type BareMessage,
  bareCodec,
  type Echo,
  type Experimenter,
  echoReplyCodec,
  echoRequestCodec,
  experimenterCodec,
  type Hello,
  helloCodec,
} from './symmetric.ts';
import type { Writer } from './writer.ts';

/** One OpenFlow 1.3 message, told apart by `type`; the header's xid stands beside it. */
export type Message =
  | Hello
  | ErrorMessage
  | Echo
  | Experimenter
  | BareMessage<'features-request'>
  | FeaturesReply
  | BareMessage<'get-config-request'>
  | SwitchConfig
  | PacketIn
  | FlowRemoved
  | PortStatus
  | PacketOut
  | FlowMod
  | GroupMod
  | PortMod
  | TableMod
  | MultipartRequest
  | MultipartReply
  | BareMessage<'barrier-request'>
  | BareMessage<'barrier-reply'>
  | QueueConfigRequest
  | QueueConfigReply
  | RoleMessage
  | BareMessage<'get-async-request'>
  | AsyncConfig
  | MeterMod
  | NxSetPacketInFormat
  | NxSetControllerId
  | NxSetAsyncConfig
  | NxSetAsyncConfig2
  | NxPacketIn2
  | BareMessage<'nx-tlv-table-request'>
  | NxTlvTableMod
  | NxTlvTableReply
  | NxCtFlushZone
  | OnfBundleControl
  | OnfBundleAdd;

/** The name of a message's type, such as 'flow-mod'. */
export type MessageType = Message['type'];

/** The union's member that has `T` among its types (some have two): what to expect of a message of type `T`. */
export type MessageOf<T extends MessageType, M extends Message = Message> = M extends unknown
  ? T extends M['type']
    ? M
    : never
  : never;

// enum ofp_type (OpenFlow 1.3.5, 7.1); the numbers stand with the codecs. Experimenters' messages with a type
// here come last.
const CODECS: { readonly [T in MessageType]: MessageCodec<MessageOf<T>> } = {
  hello: helloCodec,
  error: errorCodec,
  'echo-request': echoRequestCodec,
  'echo-reply': echoReplyCodec,
  experimenter: experimenterCodec,
  'features-request': bareCodec('features-request', 5),
  'features-reply': featuresReplyCodec,
  'get-config-request': bareCodec('get-config-request', 7),
  'get-config-reply': getConfigReplyCodec,
  'set-config': setConfigCodec,
  'packet-in': packetInCodec,
  'flow-removed': flowRemovedCodec,
  'port-status': portStatusCodec,
  'packet-out': packetOutCodec,
  'flow-mod': flowModCodec,
  'group-mod': groupModCodec,
  'port-mod': portModCodec,
  'table-mod': tableModCodec,
  'multipart-request': multipartRequestCodec,
  'multipart-reply': multipartReplyCodec,
  'barrier-request': bareCodec('barrier-request', 20),
  'barrier-reply': bareCodec('barrier-reply', 21),
  'queue-get-config-request': queueConfigRequestCodec,
  'queue-get-config-reply': queueConfigReplyCodec,
  'role-request': roleRequestCodec,
  'role-reply': roleReplyCodec,
  'get-async-request': bareCodec('get-async-request', 26),
  'get-async-reply': getAsyncReplyCodec,
  'set-async': setAsyncCodec,
  'meter-mod': meterModCodec,
  'nx-set-packet-in-format': setPacketInFormatCodec,
  'nx-set-async-config': setAsyncConfigCodec,
  'nx-set-controller-id': setControllerIdCodec,
  'nx-tlv-table-mod': tlvTableModCodec,
  'nx-tlv-table-request': tlvTableRequestCodec,
  'nx-tlv-table-reply': tlvTableReplyCodec,
  'nx-set-async-config2': setAsyncConfig2Codec,
  'nx-resume': resumeCodec,
  'nx-ct-flush-zone': ctFlushZoneCodec,
  'nx-packet-in2': packetIn2MessageCodec,
  'onf-bundle-control': bundleControlCodec,
  'onf-bundle-add': bundleAddCodec,
};

const ALL = Object.values<MessageCodec<Message>>(CODECS);

const CODEC_OF_NUMBER: ReadonlyMap<number, MessageCodec<Message>> = new Map(
  ALL.filter((codec) => codec.extension === undefined).map((codec) => [codec.wireType, codec]),
);

const CODEC_OF_EXTENSION: ReadonlyMap<number, MessageCodec<Message>> = new Map(
  ALL.flatMap((codec) => (codec.extension === undefined ? [] : [[extensionKey(codec.extension), codec]])),
);

/** One number for both, exact in a double: experimenters' message types in use are far below 2^21. */
function extensionKey({ experimenter, experimenterType }: Extension): number {
  return experimenterType * 2 ** 32 + experimenter;
}

/** The header's type number of a message. */
export function wireTypeOf(type: MessageType): number {
  return CODECS[type].wireType;
}

export function writeBody(writer: Writer, message: Message): void {
  const codec: MessageCodec<Message> = CODECS[message.type];
  if (codec.extension !== undefined) {
    writer.u32(codec.extension.experimenter, 'experimenter');
    writer.u32(codec.extension.experimenterType, 'experimenterType');
  }
  codec.write(writer, message);
}

/** Reads the body of the message type numbered `wireType`, to the cursor's end. Throws Malformed. */
export function readBody(cursor: Cursor, wireType: number): Message {
  const codec = extensionAt(cursor, wireType) ?? CODEC_OF_NUMBER.get(wireType);
  if (codec === undefined) throw cursor.fault('unknown-type', `message type ${wireType} is not known`);
  const message = codec.read(cursor);
  cursor.close(`message ${message.type}`);
  return message;
}

/** The codec of an experimenter's message that has a type here; the cursor then stands behind the two numbers. */
function extensionAt(cursor: Cursor, wireType: number): MessageCodec<Message> | undefined {
  if (wireType !== EXPERIMENTER_TYPE || cursor.left < 8) return undefined;
  const numbers = cursor.fork();
  const codec = CODEC_OF_EXTENSION.get(extensionKey({ experimenter: numbers.u32(), experimenterType: numbers.u32() }));
  if (codec !== undefined) cursor.skip(8);
  return codec;
}
