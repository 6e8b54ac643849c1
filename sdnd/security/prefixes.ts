// Prefixes of addresses, as a rule names the other end: `10.88.0.0/24`, `fe80::/10`, or one address. Pure.
import { ipv4, ipv4Mask, ipv6 } from '@openflow/ofp';

const IPV4_BITS = 32;
const IPV6_BITS = 128;

/** What matches the addresses of an IPv4 prefix; undefined: every one. @throws Error for what is none */
export function ipv4Prefix(text: string): number | { value: number; mask: number } | undefined {
  const { address, bits } = partsOf(text, IPV4_BITS);
  const value = ipv4(address);
  if (bits === 0) return undefined;
  if (bits === IPV4_BITS) return value;
  const mask = ipv4Mask(bits);
  return { value: (value & mask) >>> 0, mask };
}

/** The same of an IPv6 prefix. @throws Error for what is none */
export function ipv6Prefix(text: string): bigint | { value: bigint; mask: bigint } | undefined {
  const { address, bits } = partsOf(text, IPV6_BITS);
  const value = ipv6(address);
  if (bits === 0) return undefined;
  if (bits === IPV6_BITS) return value;
  const shift = BigInt(IPV6_BITS - bits);
  const mask = ((1n << BigInt(bits)) - 1n) << shift;
  return { value: value & mask, mask };
}

function partsOf(text: string, most: number): { address: string; bits: number } {
  const [address = '', bits = String(most), ...more] = text.split('/');
  if (more.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most)
    throw new Error(`'${text}' is no prefix of up to ${most} bits`);
  return { address, bits: Number(bits) };
}
