// Prefixes of addresses as persons write them: `10.88.0.0/24`, `fe80::/10`, or one address. The one parser of them: who asks
// whether there can be such a rule, and who makes entries of switches of it, read the same. Pure.
import { isIPv4, isIPv6 } from 'node:net';
import { ipv6Number, ipv6Words } from './ipv6-address.ts';

const ADDRESS_BITS = { IPv4: 32, IPv6: 128 } as const;

/** The bits that say something are the first `bits` of its address. */
export interface AddressPrefix {
  readonly address: string;
  readonly bits: number;
}

/** An IPv6 address without a zone, and without a tail of dots. Undefined: it is no prefix of that family. */
export function addressPrefix(text: string, family: keyof typeof ADDRESS_BITS): AddressPrefix | undefined {
  const bitsMax = ADDRESS_BITS[family];
  const [address = '', bits = String(bitsMax), ...more] = text.split('/');
  const isAddress = family === 'IPv4' ? isIPv4(address) : isIPv6(address) && !/[.%]/.test(address);
  if (!isAddress || more.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > bitsMax) return undefined;
  return { address, bits: Number(bits) };
}

/** Its one text: `10.88.0.5/24` is `10.88.0.0/24`, and an address by itself has all its bits. What is no prefix stays as it is. */
export function prefixText(text: string, family: keyof typeof ADDRESS_BITS): string {
  const { address, bits } = addressPrefix(text, family) ?? {};
  if (address === undefined || bits === undefined) return text;
  const free = BigInt(ADDRESS_BITS[family] - bits);
  const lowest = (number: bigint): bigint => (number >> free) << free;
  const words =
    family === 'IPv4' ? ipv4Words(lowest(ipv4Number(address))) : ipv6Words(lowest(ipv6Number(address) ?? 0n));
  return `${words}/${bits}`;
}

function ipv4Number(address: string): bigint {
  return address.split('.').reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function ipv4Words(number: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => BigInt.asUintN(8, number >> shift)).join('.');
}
