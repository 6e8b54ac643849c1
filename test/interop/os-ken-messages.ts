// Messages as os-ken writes them in JSON.
import type { AsyncReasons, FlowMod, Message, MessageOf, MessageType, Queue } from '@openflow/ofp';
import { actionForm, bytesForm, instructionForm, numbers } from './os-ken-actions.ts';
import { type Form, matchForm } from './os-ken-fields.ts';
import { replyForm, requestForm } from './os-ken-multipart.ts';
import { bandForm, bucketForm, ordinal, portForm } from './os-ken-parts.ts';

function queueForm({ queueId, portNo, properties }: Queue): Form {
  const names = { 'min-rate': 'OFPQueuePropMinRate', 'max-rate': 'OFPQueuePropMaxRate' };
  return {
    OFPPacketQueue: {
      ...numbers({ queue_id: queueId, port: portNo }),
      properties: properties.map((property) =>
        property.type === 'experimenter'
          ? {
              OFPQueuePropExperimenter: {
                experimenter: String(property.experimenter),
                data: [...property.data].map(String),
              },
            }
          : { [names[property.type]]: numbers({ rate: property.rate }) },
      ),
    },
  };
}

const FLOW_COMMANDS = ['add', 'modify', 'modify-strict', 'delete', 'delete-strict'];
const COMMANDS = ['add', 'modify', 'delete'];
const GROUP_TYPES = ['all', 'select', 'indirect', 'fast-failover'];
const ROLES = ['no-change', 'equal', 'master', 'slave'];
const BUNDLE_CONTROLS = ['open', 'close', 'commit', 'discard'].flatMap((word) => [`${word}-request`, `${word}-reply`]);

function flowModForm(message: FlowMod): Form {
  return {
    ...numbers({
      cookie: message.cookie,
      cookie_mask: message.cookieMask,
      table_id: message.tableId,
      idle_timeout: message.idleTimeoutSec,
      hard_timeout: message.hardTimeoutSec,
      priority: message.priority,
      buffer_id: message.bufferId,
      out_port: message.outPort,
      out_group: message.outGroup,
      flags: message.flags,
    }),
    command: ordinal(FLOW_COMMANDS, message.command),
    match: matchForm(message.match),
    instructions: message.instructions.map(instructionForm),
  };
}

function reasonsForm({ packetIn, portStatus, flowRemoved }: AsyncReasons): Form {
  const pair = ({ master, slave }: { master: number; slave: number }): Form => [String(master), String(slave)];
  return {
    packet_in_mask: pair(packetIn),
    port_status_mask: pair(portStatus),
    flow_removed_mask: pair(flowRemoved),
  };
}

/** How the form of one kind is made; as a method, so that a table of them can be asked for any. */
type FormOf<M> = { form(of: M): Form }['form'];

/** Messages of Open vSwitch's, which os-ken reads as any experimenter's, have none. */
const MESSAGE_FORMS: { readonly [T in MessageType]?: FormOf<MessageOf<T>> } = {
  hello: (message) => ({
    OFPHello: {
      elements:
        message.versions.length === 0
          ? []
          : [{ OFPHelloElemVersionBitmap: { versions: message.versions.map(String) } }],
    },
  }),
  error: (message) => ({
    OFPErrorMsg: {
      type: String(message.errorType),
      data: bytesForm(message.data),
      ...(message.experimenter === undefined
        ? { code: String(message.errorCode) }
        : { exp_type: String(message.errorCode), experimenter: String(message.experimenter) }),
    },
  }),
  'echo-request': (message) => ({ OFPEchoRequest: { data: bytesForm(message.data) } }),
  'echo-reply': (message) => ({ OFPEchoReply: { data: bytesForm(message.data) } }),
  experimenter: (message) => ({
    OFPExperimenter: {
      ...numbers({ experimenter: message.experimenter, exp_type: message.experimenterType }),
      data: bytesForm(message.data),
    },
  }),
  'features-request': () => ({ OFPFeaturesRequest: {} }),
  'features-reply': (message) => ({
    OFPSwitchFeatures: numbers({
      datapath_id: message.datapathId,
      n_buffers: message.bufferCount,
      n_tables: message.tableCount,
      auxiliary_id: message.auxiliaryId,
      capabilities: message.capabilities,
    }),
  }),
  'get-config-request': () => ({ OFPGetConfigRequest: {} }),
  'get-config-reply': (message) => ({
    OFPGetConfigReply: numbers({ flags: message.flags, miss_send_len: message.missSendBytes }),
  }),
  'set-config': (message) => ({
    OFPSetConfig: numbers({ flags: message.flags, miss_send_len: message.missSendBytes }),
  }),
  'packet-in': (message) => ({
    OFPPacketIn: {
      ...numbers({
        buffer_id: message.bufferId,
        total_len: message.totalBytes,
        table_id: message.tableId,
        cookie: message.cookie,
      }),
      reason: ordinal(['no-match', 'action', 'invalid-ttl'], message.reason),
      match: matchForm(message.match),
      // What is beyond the whole packet's length, os-ken does not count as its.
      data: bytesForm(message.data.subarray(0, message.totalBytes)),
    },
  }),
  'flow-removed': (message) => ({
    OFPFlowRemoved: {
      ...numbers({
        cookie: message.cookie,
        priority: message.priority,
        table_id: message.tableId,
        duration_sec: message.durationSec,
        duration_nsec: message.durationNsec,
        idle_timeout: message.idleTimeoutSec,
        hard_timeout: message.hardTimeoutSec,
        packet_count: message.packetCount,
        byte_count: message.byteCount,
      }),
      reason: ordinal(['idle-timeout', 'hard-timeout', 'delete', 'group-delete', 'meter-delete'], message.reason),
      match: matchForm(message.match),
    },
  }),
  'port-status': (message) => ({
    OFPPortStatus: { reason: ordinal(['add', 'delete', 'modify'], message.reason), desc: portForm(message.port) },
  }),
  'packet-out': (message) => ({
    OFPPacketOut: {
      ...numbers({ buffer_id: message.bufferId, in_port: message.inPort }),
      actions: message.actions.map(actionForm),
      data: bytesForm(message.data),
    },
  }),
  'flow-mod': (message) => ({ OFPFlowMod: flowModForm(message) }),
  'group-mod': (message) => ({
    OFPGroupMod: {
      command: ordinal(COMMANDS, message.command),
      type: ordinal(GROUP_TYPES, message.groupType),
      group_id: String(message.groupId),
      buckets: message.buckets.map(bucketForm),
    },
  }),
  'port-mod': (message) => ({
    OFPPortMod: {
      ...numbers({
        port_no: message.portNo,
        config: message.config,
        mask: message.mask,
        advertise: message.advertise,
      }),
      hw_addr: message.hwAddress,
    },
  }),
  'table-mod': (message) => ({ OFPTableMod: numbers({ table_id: message.tableId, config: message.config }) }),
  'multipart-request': requestForm,
  'multipart-reply': replyForm,
  'barrier-request': () => ({ OFPBarrierRequest: {} }),
  'barrier-reply': () => ({ OFPBarrierReply: {} }),
  'queue-get-config-request': (message) => ({ OFPQueueGetConfigRequest: numbers({ port: message.portNo }) }),
  'queue-get-config-reply': (message) => ({
    OFPQueueGetConfigReply: { port: String(message.portNo), queues: message.queues.map(queueForm) },
  }),
  'role-request': (message) => ({
    [message.type === 'role-request' ? 'OFPRoleRequest' : 'OFPRoleReply']: {
      role: ordinal(ROLES, message.role),
      generation_id: String(message.generationId),
    },
  }),
  'role-reply': (message) => ({
    [message.type === 'role-request' ? 'OFPRoleRequest' : 'OFPRoleReply']: {
      role: ordinal(ROLES, message.role),
      generation_id: String(message.generationId),
    },
  }),
  'get-async-request': () => ({ OFPGetAsyncRequest: {} }),
  'get-async-reply': (message) => ({ OFPGetAsyncReply: reasonsForm(message) }),
  'set-async': (message) => ({ OFPSetAsync: reasonsForm(message) }),
  'meter-mod': (message) => ({
    OFPMeterMod: {
      command: ordinal(COMMANDS, message.command),
      ...numbers({ flags: message.flags, meter_id: message.meterId }),
      bands: message.bands.map(bandForm),
    },
  }),
  'nx-set-packet-in-format': (message) => ({
    NXTSetPacketInFormatMsg: {
      packet_in_format: ordinal(['standard', 'nxt-packet-in', 'nxt-packet-in2'], message.format),
    },
  }),
  'nx-packet-in2': (message) => ({
    NXTPacketIn2: {
      ...(message.bufferId !== undefined && { buffer_id: String(message.bufferId) }),
      ...(message.tableId !== undefined && { table_id: String(message.tableId) }),
      ...(message.reason !== undefined && { reason: String(message.reason) }),
      ...(message.data !== undefined && { data: bytesForm(message.data) }),
      ...(message.userdata !== undefined && { userdata: bytesForm(message.userdata) }),
      ...(message.continuation !== undefined && { continuation: bytesForm(message.continuation) }),
    },
  }),
  'onf-bundle-control': (message) => ({
    ONFBundleCtrlMsg: {
      ...numbers({ bundle_id: message.bundleId, flags: message.flags }),
      type: ordinal(BUNDLE_CONTROLS, message.control),
    },
  }),
};

/** What os-ken's JSON of the message must hold. */
export function messageForm(message: Message): Form {
  const form: FormOf<Message> | undefined = MESSAGE_FORMS[message.type];
  if (form === undefined) throw new Error(`${message.type} has no form in os-ken`);
  return form(message);
}
