// Prefixes of addresses, as a rule names the other end, as what a switch matches. Pure.
import { ipv4, ipv4Mask, ipv6 } from '@openflow/ofp';
import { type AddressPrefix, addressPrefix } from '../../common/addresses/address-prefix.ts';

const IPV4_BITS = 32;
const IPV6_BITS = 128;

/** What matches the addresses of an IPv4 prefix; undefined: every one. @throws Error for what is none */
export function ipv4Prefix(text: string): number | { value: number; mask: number } | undefined {
  const { address, bits } = prefixIn(text, 'IPv4');
  const value = ipv4(address);
  if (bits === 0) return undefined;
  if (bits === IPV4_BITS) return value;
  const mask = ipv4Mask(bits);
  return { value: (value & mask) >>> 0, mask };
}

/** The same of an IPv6 prefix. @throws Error for what is none */
export function ipv6Prefix(text: string): bigint | { value: bigint; mask: bigint } | undefined {
  const { address, bits } = prefixIn(text, 'IPv6');
  const value = ipv6(address);
  if (bits === 0) return undefined;
  if (bits === IPV6_BITS) return value;
  const shift = BigInt(IPV6_BITS - bits);
  const mask = ((1n << BigInt(bits)) - 1n) << shift;
  return { value: value & mask, mask };
}

function prefixIn(text: string, family: 'IPv4' | 'IPv6'): AddressPrefix {
  const prefix = addressPrefix(text, family);
  if (prefix === undefined) throw new Error(`'${text}' is no ${family} prefix`);
  return prefix;
}
