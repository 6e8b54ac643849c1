// Match fields as os-ken names and writes them: what its JSON must hold of a match of ours.
import { FIELDS, type FieldName, ipv4Text, ipv6Text, type Masked, type Match } from '@openflow/ofp';

/** A value as the judge writes it: every number in decimal. */
export type Form = string | boolean | null | readonly Form[] | { readonly [key: string]: Form };

/** Names that are not ours in other letters. */
const NAMES: { readonly [F in FieldName]?: string } = {
  nxInPort: 'in_port_nxm',
  ipTos: 'nw_tos',
  ipTtl: 'nw_ttl',
};

/** Fields that os-ken 2.5 has no name for: it writes their number, and their value in base 64. */
export const UNKNOWN_FIELDS: ReadonlySet<FieldName> = new Set([
  'ctNwProto',
  'ctNwSrc',
  'ctNwDst',
  'ctIpv6Src',
  'ctIpv6Dst',
  'ctTpSrc',
  'ctTpDst',
]);

const IPV4: ReadonlySet<FieldName> = new Set(['ipv4Src', 'ipv4Dst', 'arpSpa', 'arpTpa', 'tunIpv4Src', 'tunIpv4Dst']);
const IPV6: ReadonlySet<FieldName> = new Set(['ipv6Src', 'ipv6Dst', 'ipv6NdTarget', 'tunIpv6Src', 'tunIpv6Dst']);

export function fieldName(field: FieldName): string {
  if (UNKNOWN_FIELDS.has(field)) return `field_${FIELDS[field].code / 512}`;
  return NAMES[field] ?? field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

type Value = number | bigint | string;

export function fieldValue(field: FieldName, value: Value): string {
  if (UNKNOWN_FIELDS.has(field)) return base64OfNumber(BigInt(value), FIELDS[field].bytes);
  if (IPV4.has(field) && typeof value === 'number') return ipv4Text(value);
  return IPV6.has(field) && typeof value === 'bigint' ? ipv6Text(value) : String(value);
}

function base64OfNumber(value: bigint, bytes: number): string {
  return Buffer.from(value.toString(16).padStart(bytes * 2, '0'), 'hex').toString('base64');
}

/** One field with its value, or value and mask. */
export function fieldForm(field: FieldName, value: Value | Masked<Value>): Form {
  const { value: bare, mask } = typeof value === 'object' ? value : { value, mask: undefined };
  return {
    OXMTlv: {
      field: fieldName(field),
      mask: mask === undefined ? null : fieldValue(field, mask),
      value: fieldValue(field, bare),
    },
  };
}

const FIELD_NAMES = Object.keys(FIELDS) as FieldName[];

export function matchForm(match: Match): Form {
  const fields = FIELD_NAMES.filter((field) => match[field] !== undefined);
  return { OFPMatch: { oxm_fields: fields.map((field) => fieldForm(field, match[field] as Value | Masked<Value>)) } };
}
