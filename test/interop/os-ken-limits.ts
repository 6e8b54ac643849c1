// What os-ken 2.5, a controller's library, reads and builds, and the parts that it cannot: found by trying. Messages with
// those parts are left to the other judges.
import { FIELDS, type FieldName, type Message, NO_BUFFER } from '@openflow/ofp';
import { fieldValue, UNKNOWN_FIELDS } from './os-ken-fields.ts';

type Types = ReadonlySet<Message['type']>;

/** What switches send to controllers, and flow-mods. */
const READ: Types = new Set([
  'hello',
  'error',
  'echo-request',
  'echo-reply',
  'experimenter',
  'features-reply',
  'get-config-reply',
  'packet-in',
  'flow-removed',
  'port-status',
  'flow-mod',
  'multipart-reply',
  'barrier-reply',
  'queue-get-config-reply',
  'role-reply',
  'get-async-reply',
  'nx-set-packet-in-format',
  'nx-packet-in2',
  'onf-bundle-control',
]);

/** What controllers send to switches. */
const BUILT: Types = new Set([
  'hello',
  'error',
  'echo-request',
  'echo-reply',
  'experimenter',
  'features-request',
  'get-config-request',
  'set-config',
  'packet-out',
  'flow-mod',
  'group-mod',
  'port-mod',
  'table-mod',
  'multipart-request',
  'barrier-request',
  'queue-get-config-request',
  'role-request',
  'get-async-request',
  'set-async',
  'meter-mod',
  'nx-set-packet-in-format',
]);

type Part = Readonly<Record<string, unknown>>;

/** Whether any object within the value, itself included, is so. */
function anywhere(value: unknown, is: (part: Part) => boolean): boolean {
  if (value instanceof Uint8Array || value === null || typeof value !== 'object') return false;
  if (Array.isArray(value)) return value.some((one) => anywhere(one, is));
  return is(value as Part) || Object.values(value).some((one) => anywhere(one, is));
}

/** The experimenter of the random actions; instructions have others. */
const ACTIONS_OF = 0x00112233;

function isOutOfReach(part: Part): boolean {
  // Fields of other experimenters, parts without a number of the specification, ids that are no names, and the longer
  // headers of experimenters' fields in the actions that have room for both.
  if ('raw' in part || 'oxmClass' in part || 'number' in part) return true;
  if (part.type === 'set-raw-field' || part.part === 'raw') return true;
  if ('bits' in part && FIELDS[part.field as FieldName]?.experimenter !== undefined) return true;
  if ('experimenter' in part && 'data' in part && !('type' in part || 'part' in part)) return true;
  return part.type === 'experimenter' && isExperimenterOutOfReach(part);
}

/** Of loads, its JSON holds texts, such as addresses, and no mask. */
function isLoadUnread({ type, field, value }: Part): boolean {
  if (type !== 'nx-reg-load2') return false;
  if (UNKNOWN_FIELDS.has(field as FieldName)) return true;
  return (value !== null && typeof value === 'object') || isDecimal(fieldValue(field as FieldName, value as number));
}

/** A mask that is a text in its JSON it takes for base 64. */
function isMaskOfText({ type, field, value }: Part): boolean {
  if (type !== 'nx-reg-load2' || value === null || typeof value !== 'object' || !('mask' in value)) return false;
  return !isDecimal(fieldValue(field as FieldName, value.mask as number));
}

function isDecimal(text: string): boolean {
  return /^\d+$/.test(text);
}

/** Of experimenters it knows actions, messages, multipart parts, bare meter bands and table properties of whole words. */
function isExperimenterOutOfReach(part: Part): boolean {
  if ('rate' in part) return part.body instanceof Uint8Array && part.body.length > 0;
  if ('miss' in part) return part.data instanceof Uint8Array && part.data.length % 4 !== 0;
  return 'body' in part && part.experimenter !== ACTIONS_OF;
}

/** Versions that lie in the first word of the bitmap: it takes the padding behind two words for an element without end. */
const VERSION_MAX = 30;

export function isReadByOsKen(message: Message): boolean {
  if (!READ.has(message.type) || anywhere(message, isOutOfReach) || anywhere(message, isLoadUnread)) return false;
  switch (message.type) {
    case 'hello':
      return message.versions.every((version) => version <= VERSION_MAX);
    case 'onf-bundle-control':
      // Properties of random bytes: one of no length is read without end.
      return message.properties.length === 0;
    case 'multipart-reply':
      return message.part !== 'experimenter';
    default:
      return true;
  }
}

/** Bytes that it has room for in an action that loads a field: more is an error, and far less it fills up beyond need. */
const LOAD_BYTES_MAX = 14;

function isNotBuilt(part: Part): boolean {
  switch (part.type) {
    // Actions that it keeps as bytes it cannot build of fields.
    case 'nx-write-metadata':
    case 'nx-clone':
    case 'nx-resubmit-table-ct':
    case 'nx-check-pkt-larger':
    // Two bytes of padding are forgotten.
    case 'nx-stack-push':
    case 'nx-stack-pop':
      return true;
    // So is all the padding behind a translation.
    case 'nx-nat':
      return natBytes(part) % 8 !== 0;
    case 'nx-reg-load2': {
      const { bytes, experimenter } = FIELDS[part.field as FieldName];
      const masked = typeof part.value === 'object';
      const size = (experimenter === undefined ? 4 : 8) + bytes * (masked ? 2 : 1);
      return size > LOAD_BYTES_MAX || size <= LOAD_BYTES_MAX - 8;
    }
    default:
      return namesUnknownField(part);
  }
}

function natBytes(part: Part): number {
  const addresses = part.addresses as Part | undefined;
  const ports = part.ports as Part | undefined;
  const ends = (range: Part | undefined): number => (range === undefined ? 0 : 1) + (range?.max === undefined ? 0 : 1);
  return (addresses?.family === 'ipv6' ? 16 : 4) * ends(addresses) + 2 * ends(ports);
}

/** A header of a field without a name of its own gets no length. */
function namesUnknownField(part: Part): boolean {
  const names = ['value' in part ? undefined : part.field, part.from, part.to];
  return names.some((name) => UNKNOWN_FIELDS.has(name as FieldName));
}

export function isBuiltByOsKen(message: Message): boolean {
  if (!BUILT.has(message.type) || anywhere(message, isOutOfReach) || anywhere(message, isMaskOfText)) return false;
  if (anywhere(message, isNotBuilt)) return false;
  switch (message.type) {
    case 'hello':
      return message.versions.length === 0;
    case 'packet-out':
      return message.actions.length > 0 && message.bufferId === NO_BUFFER;
    case 'multipart-request':
      return !anywhere(message, ({ field }) => FIELDS[field as FieldName]?.experimenter !== undefined);
    default:
      return true;
  }
}

/** The message as it builds it: fields in table features without a length. */
export function asBuilt(message: Message): Message {
  if (message.type !== 'multipart-request' || message.part !== 'table-features') return message;
  const tables = message.tables.map((table) => ({
    ...table,
    properties: table.properties.map((property) =>
      'fields' in property ? { ...property, fields: property.fields.map((id) => ({ ...id, bytes: 0 })) } : property,
    ),
  }));
  return { ...message, tables };
}
