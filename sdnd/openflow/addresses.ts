// Ethernet and IP addresses as the codec's values, with their text forms. Must never touch a wire buffer: reading and
// writing bytes is the cursor's and the writer's work.

import { EncodeError } from './faults.ts';

declare const ethBrand: unique symbol;

/**
 * An Ethernet address as lower-case text, 'aa:bb:cc:dd:ee:ff'. Text and not bytes, because a controller uses addresses as
 * map keys, compares them and logs them; branded, so that only a checked address compiles.
 */
export type EthAddress = string & { readonly [ethBrand]: true };

const ETH_TEXT = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

function isEthAddress(text: string): text is EthAddress {
  return ETH_TEXT.test(text);
}

/** Checks and brands an Ethernet address; upper case is lowered. Throws EncodeError 'bad-address'. */
export function ethAddress(text: string): EthAddress {
  const lower = text.toLowerCase();
  if (!isEthAddress(lower))
    throw new EncodeError('bad-address', `'${text}' is no Ethernet address (aa:bb:cc:dd:ee:ff)`);
  return lower;
}

/** IPv4 address or mask, '10.1.2.3', as the unsigned 32-bit number that the match fields hold. Throws 'bad-address'. */
export function ipv4(text: string): number {
  const parts = text.split('.');
  const numbers = parts.map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  if (parts.length !== 4 || numbers.some((n) => n > 255)) {
    throw new EncodeError('bad-address', `'${text}' is no IPv4 address (10.1.2.3)`);
  }
  return numbers.reduce((sum, n) => sum * 256 + n, 0);
}

/** The dotted text of an unsigned 32-bit IPv4 address. */
export function ipv4Text(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

/** The mask of an IPv4 prefix of `bits` (0..32) bits, for a masked match. */
export function ipv4Mask(bits: number): number {
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0;
}

/** IPv6 address, 'fd00::1' (no zone, no dotted tail), as the unsigned 128-bit bigint of the match fields. */
export function ipv6(text: string): bigint {
  const [head = '', tail, extra] = text.split('::');
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const missing = 8 - left.length - right.length;
  const fits = tail === undefined ? missing === 0 : missing >= 1;
  if (extra !== undefined || !fits || [...left, ...right].some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) {
    throw new EncodeError('bad-address', `'${text}' is no IPv6 address (fd00::1)`);
  }
  const all = [...left, ...Array<string>(missing).fill('0'), ...right];
  return all.reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function groups(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

/** The full, uncompressed text of an IPv6 address: eight groups without leading zeros. */
export function ipv6Text(address: bigint): string {
  const shifts = [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n];
  return shifts.map((shift) => ((address >> shift) & 0xffffn).toString(16)).join(':');
}
