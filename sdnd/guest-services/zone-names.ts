// Names of a network's zone: below its domain, and those of addresses turned round (RFC 1035 3.5, RFC 3596 2.5).

const LABEL_BYTES_MAX = 63;
const IPV4_ZONE = '.in-addr.arpa';
const IPV6_ZONE = '.ip6.arpa';

/** A name's labels as they go on the wire, without compression. @throws RangeError of an empty or too long label */
export function wireName(name: string): Uint8Array {
  const labels = name.split('.').map((label) => new TextEncoder().encode(label));
  if (labels.some(({ length }) => length === 0 || length > LABEL_BYTES_MAX))
    throw new RangeError(`'${name}' is no name of DNS`);
  return Uint8Array.from([...labels.flatMap((label) => [label.length, ...label]), 0]);
}

/** The address that a name asks to be turned into a name; undefined of other names. Lower case. */
export function addressOfReverse(name: string): number | bigint | undefined {
  if (name.endsWith(IPV4_ZONE)) return reverseIpv4(name.slice(0, -IPV4_ZONE.length).split('.'));
  if (name.endsWith(IPV6_ZONE)) return reverseIpv6(name.slice(0, -IPV6_ZONE.length).split('.'));
  return undefined;
}

function reverseIpv4(labels: readonly string[]): number | undefined {
  const isAddress = labels.length === 4 && labels.every((label) => /^(0|[1-9]\d{0,2})$/.test(label) && +label < 256);
  return isAddress ? labels.reduceRight((sum, label) => sum * 256 + Number(label), 0) : undefined;
}

function reverseIpv6(labels: readonly string[]): bigint | undefined {
  const isAddress = labels.length === 32 && labels.every((label) => /^[0-9a-f]$/.test(label));
  return isAddress ? BigInt(`0x${[...labels].reverse().join('')}`) : undefined;
}
