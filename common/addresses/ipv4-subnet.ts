// Which addresses a subnet of IPv4 has, as numbers. Pure.

const ADDRESS_BITS = 32;

/** Its lowest address, and how many bits all of its addresses share. */
export interface Ipv4Range {
  readonly lowest: number;
  readonly bits: number;
}

export function addressCount(bits: number): number {
  return 2 ** (ADDRESS_BITS - bits);
}

export function isInRange({ lowest, bits }: Ipv4Range, address: number): boolean {
  return address >= lowest && address - lowest < addressCount(bits);
}
