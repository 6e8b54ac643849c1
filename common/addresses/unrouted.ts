// Where no guest is led outside, by its own word or by a stub's. Data.

/**
 * What no router sends on (RFC 1122, 3.2.1.3; RFC 3927, 7; RFC 1112), and where providers answer their machines at other than
 * link-local addresses (Azure, Alibaba): with the keys of the account it may be, so no guest is to hear it.
 */
export const UNROUTED = [
  { subnet: '0.0.0.0', bits: 8 },
  { subnet: '127.0.0.0', bits: 8 },
  { subnet: '169.254.0.0', bits: 16 },
  { subnet: '224.0.0.0', bits: 3 },
  { subnet: '168.63.129.16', bits: 32 },
  { subnet: '100.100.100.200', bits: 32 },
] as const;
