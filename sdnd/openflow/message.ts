// Every message in one union, and the table from its type to its codec. A new message is a row here and a codec in the
// room of its concern.

import type { MessageCodec } from './codec.ts';
import type { Cursor } from './cursor.ts';
import { type ErrorMessage, errorCodec } from './error-message.ts';
import { Malformed } from './faults.ts';
import { type FlowMod, type FlowRemoved, flowModCodec, flowRemovedCodec } from './flows.ts';
import { type GroupMod, groupModCodec } from './groups.ts';
import { type MeterMod, meterModCodec } from './meters.ts';
import { type MultipartReply, type MultipartRequest, multipartReplyCodec, multipartRequestCodec } from './multipart.ts';
import { type PacketIn, type PacketOut, packetInCodec, packetOutCodec } from './packets.ts';
import { type PortMod, type PortStatus, portModCodec, portStatusCodec } from './port-messages.ts';
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
  | RoleMessage
  | BareMessage<'get-async-request'>
  | AsyncConfig
  | MeterMod;

/** The name of a message's type, such as 'flow-mod'. */
export type MessageType = Message['type'];

/** The union's member that has `T` among its types (some have two): what to expect of a message of type `T`. */
export type MessageOf<T extends MessageType, M extends Message = Message> = M extends unknown
  ? T extends M['type']
    ? M
    : never
  : never;

// enum ofp_type (OpenFlow 1.3.5, 7.1); the numbers stand with the codecs. Not yet: QUEUE_GET_CONFIG (22, 23).
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
  'role-request': roleRequestCodec,
  'role-reply': roleReplyCodec,
  'get-async-request': bareCodec('get-async-request', 26),
  'get-async-reply': getAsyncReplyCodec,
  'set-async': setAsyncCodec,
  'meter-mod': meterModCodec,
};

const CODEC_OF_NUMBER: ReadonlyMap<number, MessageCodec<Message>> = new Map(
  Object.values<MessageCodec<Message>>(CODECS).map((codec) => [codec.wireType, codec]),
);

/** The header's type number of a message. */
export function wireTypeOf(type: MessageType): number {
  return CODECS[type].wireType;
}

export function writeBody(writer: Writer, message: Message): void {
  const codec: MessageCodec<Message> = CODECS[message.type];
  codec.write(writer, message);
}

/** Reads the body of the message type numbered `wireType`, to the cursor's end. Throws Malformed. */
export function readBody(cursor: Cursor, wireType: number): Message {
  const codec = CODEC_OF_NUMBER.get(wireType);
  if (codec === undefined) throw new Malformed('unknown-type', `message type ${wireType} is not known`);
  const message = codec.read(cursor);
  cursor.close(`message ${message.type}`);
  return message;
}
