// Actions and instructions as os-ken writes them in JSON.
import type { Action, CtNested, FieldBits, Instruction, NxCt, NxNat, NxRegLoad2 } from '@openflow/ofp';
import { ipv4Text, ipv6Text } from '@openflow/ofp';
import { type Form, fieldForm, fieldName, fieldValue } from './os-ken-fields.ts';

export function bytesForm(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** Numbers, as the judge writes them. */
export function numbers<K extends string>(of: { readonly [N in K]: number | bigint }): { readonly [N in K]: string } {
  return Object.fromEntries(Object.entries(of).map(([key, value]) => [key, String(value)])) as { [N in K]: string };
}

function offsetAndBits({ bit, bits }: Pick<FieldBits, 'bit' | 'bits'>): string {
  return String(bit * 64 + bits - 1);
}

const BARE: Readonly<Record<string, string>> = {
  'copy-ttl-out': 'OFPActionCopyTtlOut',
  'copy-ttl-in': 'OFPActionCopyTtlIn',
  'dec-mpls-ttl': 'OFPActionDecMplsTtl',
  'pop-vlan': 'OFPActionPopVlan',
  'dec-nw-ttl': 'OFPActionDecNwTtl',
  'pop-pbb': 'OFPActionPopPbb',
  'push-vlan': 'OFPActionPushVlan',
  'push-mpls': 'OFPActionPushMpls',
  'pop-mpls': 'OFPActionPopMpls',
  'push-pbb': 'OFPActionPushPbb',
  'nx-exit': 'NXActionExit',
  'nx-pop-queue': 'NXActionPopQueue',
  'nx-ct-clear': 'NXActionCTClear',
  'nx-stack-push': 'NXActionStackPush',
  'nx-stack-pop': 'NXActionStackPop',
  'nx-output-reg': 'NXActionOutputReg',
  'nx-output-reg2': 'NXActionOutputReg2',
  'nx-set-tunnel': 'NXActionSetTunnel',
  'nx-set-tunnel64': 'NXActionSetTunnel64',
};

/** Actions of Open vSwitch that os-ken 2.5 keeps as bytes, with their subtype. */
const UNKNOWN_SUBTYPE: Readonly<Record<string, number>> = {
  'nx-write-metadata': 22,
  'nx-clone': 42,
  'nx-resubmit-table-ct': 44,
  'nx-check-pkt-larger': 49,
};

/** The union's member that has `T` among its types. */
type OfType<T, A extends Action | CtNested = Action | CtNested> = A extends unknown
  ? T extends A['type']
    ? A
    : never
  : never;

/** How the form of one kind is made; as a method, so that a table of them can be asked for any. */
type FormOf<A> = { form(of: A): Form }['form'];

/** The form of an action that is nothing but its name. */
function bareForm(action: Action | CtNested): Form {
  return { [BARE[action.type] ?? '']: {} };
}

const ACTION_FORMS: { readonly [T in (Action | CtNested)['type']]: FormOf<OfType<T>> } = {
  output: (action) => ({ OFPActionOutput: numbers({ port: action.port, max_len: action.maxBytes }) }),
  'push-vlan': (action) => ({ [BARE[action.type] ?? '']: numbers({ ethertype: action.ethType }) }),
  'push-mpls': (action) => ({ [BARE[action.type] ?? '']: numbers({ ethertype: action.ethType }) }),
  'pop-mpls': (action) => ({ [BARE[action.type] ?? '']: numbers({ ethertype: action.ethType }) }),
  'push-pbb': (action) => ({ [BARE[action.type] ?? '']: numbers({ ethertype: action.ethType }) }),
  'set-mpls-ttl': (action) => ({ OFPActionSetMplsTtl: numbers({ mpls_ttl: action.ttl }) }),
  'set-nw-ttl': (action) => ({ OFPActionSetNwTtl: numbers({ nw_ttl: action.ttl }) }),
  'set-queue': (action) => ({ OFPActionSetQueue: numbers({ queue_id: action.queueId }) }),
  group: (action) => ({ OFPActionGroup: numbers({ group_id: action.groupId }) }),
  'set-field': (action) => ({ OFPActionSetField: { field: fieldForm(action.field, action.value) } }),
  experimenter: (action) => ({
    OFPActionExperimenterUnknown: {
      experimenter: String(action.experimenter),
      data: bytesForm(action.body),
    },
  }),
  'nx-reg-move': (action) => ({
    NXActionRegMove: {
      src_field: fieldName(action.from),
      dst_field: fieldName(action.to),
      ...numbers({ n_bits: action.bits, src_ofs: action.fromBit, dst_ofs: action.toBit }),
    },
  }),
  'nx-reg-load': (action) => ({
    NXActionRegLoad: {
      dst: fieldName(action.to),
      ofs_nbits: offsetAndBits({ bit: action.toBit, bits: action.bits }),
      value: String(action.value),
    },
  }),
  'nx-reg-load2': (action) => ({ NXActionRegLoad2: regLoad2Form(action) }),
  'nx-resubmit': (action) => ({ NXActionResubmit: numbers({ in_port: action.inPort }) }),
  'nx-resubmit-table': (action) => ({
    NXActionResubmitTable: numbers({ in_port: action.inPort, table_id: action.tableId }),
  }),
  'nx-note': (action) => ({ NXActionNote: { note: [...action.note].map(String) } }),
  'nx-dec-ttl': (action) => ({ NXActionDecTtlCntIds: { cnt_ids: action.controllerIds.map(String) } }),
  'nx-set-tunnel': (action) => ({ [BARE[action.type] ?? '']: numbers({ tun_id: action.tunnelId }) }),
  'nx-set-tunnel64': (action) => ({ [BARE[action.type] ?? '']: numbers({ tun_id: action.tunnelId }) }),
  'nx-output-reg': (action) => ({
    [BARE[action.type] ?? '']: {
      src: fieldName(action.field),
      ofs_nbits: offsetAndBits(action),
      max_len: String(action.maxBytes),
    },
  }),
  'nx-output-reg2': (action) => ({
    [BARE[action.type] ?? '']: {
      src: fieldName(action.field),
      ofs_nbits: offsetAndBits(action),
      max_len: String(action.maxBytes),
    },
  }),
  'nx-output-trunc': (action) => ({ NXActionOutputTrunc: numbers({ port: action.port, max_len: action.maxBytes }) }),
  // What os-ken calls the end is the number of bits.
  'nx-stack-push': (action) => ({
    [BARE[action.type] ?? '']: { field: fieldName(action.field), ...numbers({ start: action.bit, end: action.bits }) },
  }),
  // What os-ken calls the end is the number of bits.
  'nx-stack-pop': (action) => ({
    [BARE[action.type] ?? '']: { field: fieldName(action.field), ...numbers({ start: action.bit, end: action.bits }) },
  }),
  'nx-conjunction': (action) => ({
    NXActionConjunction: numbers({ id: action.id, clause: action.clause, n_clauses: action.clauses }),
  }),
  'nx-fin-timeout': (action) => ({
    NXActionFinTimeout: numbers({
      fin_idle_timeout: action.idleTimeoutSec,
      fin_hard_timeout: action.hardTimeoutSec,
    }),
  }),
  'nx-controller': (action) => ({
    NXActionController: numbers({
      max_len: action.maxBytes,
      controller_id: action.controllerId,
      reason: action.reason,
    }),
  }),
  'nx-controller2': (action) => ({
    NXActionController2: {
      ...(action.maxBytes !== undefined && { max_len: String(action.maxBytes) }),
      ...(action.controllerId !== undefined && { controller_id: String(action.controllerId) }),
      ...(action.reason !== undefined && { reason: String(action.reason) }),
      ...(action.userdata !== undefined && { userdata: [...action.userdata].map(String) }),
      ...(action.pause !== undefined && { pause: true }),
    },
  }),
  'nx-ct': (action) => ({ NXActionCT: ctForm(action) }),
  'nx-nat': (action) => ({ NXActionNAT: natForm(action) }),
  'nx-write-metadata': (action) => ({ NXActionUnknown: numbers({ subtype: UNKNOWN_SUBTYPE[action.type] ?? 0 }) }),
  'nx-clone': (action) => ({ NXActionUnknown: numbers({ subtype: UNKNOWN_SUBTYPE[action.type] ?? 0 }) }),
  'nx-resubmit-table-ct': (action) => ({ NXActionUnknown: numbers({ subtype: UNKNOWN_SUBTYPE[action.type] ?? 0 }) }),
  'nx-check-pkt-larger': (action) => ({ NXActionUnknown: numbers({ subtype: UNKNOWN_SUBTYPE[action.type] ?? 0 }) }),
  'set-raw-field': () => {
    throw new Error('a raw field has no form in os-ken');
  },
  'copy-ttl-out': bareForm,
  'copy-ttl-in': bareForm,
  'dec-mpls-ttl': bareForm,
  'pop-vlan': bareForm,
  'dec-nw-ttl': bareForm,
  'pop-pbb': bareForm,
  'nx-exit': bareForm,
  'nx-pop-queue': bareForm,
  'nx-ct-clear': bareForm,
};

export function actionForm(action: Action | CtNested): Form {
  const form: FormOf<Action | CtNested> = ACTION_FORMS[action.type];
  return form(action);
}

function regLoad2Form({ field, value }: NxRegLoad2): Form {
  const { value: bare, mask } = typeof value === 'object' ? value : { value, mask: undefined };
  return {
    dst: fieldName(field),
    value: fieldValue(field, bare),
    mask: mask === undefined ? null : fieldValue(field, mask),
  };
}

function ctForm({ flags, zone, recircTable, alg, actions }: NxCt): Form {
  const source = typeof zone === 'number' ? '' : fieldName(zone.field);
  return {
    ...numbers({ flags, recirc_table: recircTable, alg }),
    zone_src: source,
    zone_ofs_nbits: typeof zone === 'number' ? String(zone) : offsetAndBits(zone),
    actions: actions.map(actionForm),
  };
}

function natForm({ flags, addresses, ports }: NxNat): Form {
  const text = (address: number | bigint | undefined): string => {
    if (address === undefined) return '';
    return typeof address === 'number' ? ipv4Text(address) : ipv6Text(address);
  };
  const [ipv4, ipv6] = addresses?.family === 'ipv4' ? [addresses, undefined] : [undefined, addresses];
  return {
    flags: String(flags),
    range_ipv4_min: text(ipv4?.min),
    range_ipv4_max: text(ipv4?.max),
    range_ipv6_min: text(ipv6?.min),
    range_ipv6_max: text(ipv6?.max),
    range_proto_min: ports === undefined ? null : String(ports.min),
    range_proto_max: ports?.max === undefined ? null : String(ports.max),
  };
}

const ACTIONS_TYPE = { 'write-actions': 3, 'apply-actions': 4, 'clear-actions': 5 } as const;

export function instructionForm(instruction: Instruction): Form {
  switch (instruction.type) {
    case 'goto-table':
      return { OFPInstructionGotoTable: numbers({ table_id: instruction.tableId }) };
    case 'write-metadata':
      return {
        OFPInstructionWriteMetadata: numbers({ metadata: instruction.metadata, metadata_mask: instruction.mask }),
      };
    case 'write-actions':
    case 'apply-actions':
    case 'clear-actions': {
      const actions = instruction.type === 'clear-actions' ? [] : instruction.actions;
      return {
        OFPInstructionActions: { type: String(ACTIONS_TYPE[instruction.type]), actions: actions.map(actionForm) },
      };
    }
    case 'meter':
      return { OFPInstructionMeter: numbers({ meter_id: instruction.meterId }) };
    case 'experimenter':
      throw new Error('an experimenter instruction has no form in os-ken');
  }
}
