// IPv6 addresses as text and as unsigned numbers of 128 bits: read, written as RFC 5952 has it, and formed from a MAC address
// as hosts do it by themselves. Pure.

const GROUPS = 8;
const GROUP_BITS = 16n;
const INTERFACE_BITS = 64n;
/** Turned round in an interface identifier (RFC 4291, appendix A). */
const UNIVERSAL_BIT = 1n << 57n;

/** Undefined of what is none; no zone, no dotted tail. */
export function ipv6Number(text: string): bigint | undefined {
  const [head = '', tail, extra] = text.split('::');
  const [left, right] = [groupsOf(head), groupsOf(tail ?? '')];
  const missing = GROUPS - left.length - right.length;
  const isWhole = tail === undefined ? missing === 0 : missing > 0;
  if (extra !== undefined || !isWhole) return undefined;
  const all = [...left, ...Array<string>(missing).fill('0'), ...right];
  if (all.some((group) => !/^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  return all.reduce((sum, group) => (sum << GROUP_BITS) | BigInt(`0x${group}`), 0n);
}

/** Its one text: lower case, no leading zeros, and the longest run of zeros, the first of two, left out (RFC 5952, 4). */
export function ipv6Words(address: bigint): string {
  const groups = Array.from({ length: GROUPS }, (_, index) => {
    return BigInt.asUintN(16, address >> (GROUP_BITS * BigInt(GROUPS - 1 - index))).toString(16);
  });
  const { at, length } = longestZeros(groups);
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, at).join(':')}::${groups.slice(at + length).join(':')}`;
}

/** The address that a host forms by itself below a prefix of 64 bits (RFC 4862; RFC 2464, 4: modified EUI-64). */
export function selfMadeAddress(prefix: bigint, mac: string): bigint {
  return ((prefix >> INTERFACE_BITS) << INTERFACE_BITS) | interfaceIdOf(mac);
}

/** Whose it is, if a host formed it by itself. */
export function macOfSelfMade(address: bigint): string {
  const digits = BigInt.asUintN(64, address ^ UNIVERSAL_BIT)
    .toString(16)
    .padStart(16, '0');
  return (digits.slice(0, 6) + digits.slice(10)).replace(/..(?!$)/g, '$&:');
}

/** The lower half of all addresses that a host forms by itself. */
function interfaceIdOf(mac: string): bigint {
  const digits = mac.replaceAll(':', '');
  return BigInt(`0x${digits.slice(0, 6)}fffe${digits.slice(6)}`) ^ UNIVERSAL_BIT;
}

function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':');
}

function longestZeros(groups: readonly string[]): { at: number; length: number } {
  let longest = { at: 0, length: 0 };
  for (let at = 0; at < groups.length; at++) {
    const end = groups.findIndex((group, index) => index >= at && group !== '0');
    const length = (end < 0 ? groups.length : end) - at;
    if (length > longest.length) longest = { at, length };
  }
  return longest;
}
