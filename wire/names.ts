// The names that cross between daemons, and the numbers that fence them. Shapes only.
import { Type } from '#typebox';

const OCTET = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';

/** Of what persons type. */
export const PATTERNS = {
  name: '^[a-z][a-z0-9-]{0,39}$',
  mac: '^([0-9a-f]{2}:){5}[0-9a-f]{2}$',
  /** No octet above 255, none with a zero before it: what one program reads as 8 another reads as 010. */
  ipv4: `^(${OCTET}\\.){3}${OCTET}$`,
  ipv6: '^[0-9a-f:]{2,39}$',
} as const;

/** A node, cloud, VM or image name: lower-case letters, digits and hyphens, 1 to 40 characters, a letter first. */
export const Name = Type.String({ pattern: PATTERNS.name });
/** A migration's id: 16 hexadecimal digits, drawn at random by the orchestrator. */
export const MigrationId = Type.String({ pattern: '^[0-9a-f]{16}$' });
/** A layer's id, drawn at random by whoever orders its making: what was made again under an old name is never taken for it. */
export const LayerId = Type.String({ pattern: '^l[0-9a-f]{16}$' });
/** The id of one cut of images: 16 hexadecimal digits, drawn at random by the orchestrator. */
export const CutId = Type.String({ pattern: '^[0-9a-f]{16}$' });
/** Granted by the catalogue at each open for writing; 24 bits (a block's version is epoch and sequence). */
export const Epoch = Type.Integer({ minimum: 0, maximum: 2 ** 24 - 1 });
/** Counts an image's writes over all its blocks, never reused; 40 bits. */
export const Sequence = Type.Integer({ minimum: 0, maximum: 2 ** 40 - 1 });
/** The order-free 128-bit digest of an image's version table, 32 hexadecimal digits. */
export const Digest = Type.String({ pattern: '^[0-9a-f]{32}$' });
/** A guest's MAC address, lower case with colons. */
export const Mac = Type.String({ pattern: PATTERNS.mac });
/** A switch port's name: a network device's, 15 characters at most (IFNAMSIZ less the closing zero). */
export const PortName = Type.String({ pattern: '^[a-zA-Z0-9_-]{1,15}$' });
/** An IPv4 address in dotted decimal. */
export const Ipv4 = Type.String({ pattern: PATTERNS.ipv4 });
/** An IPv6 address as RFC 5952 writes it. */
export const Ipv6 = Type.String({ pattern: PATTERNS.ipv6 });

/** Where a member's daemons listen: its name (which its certificate must carry) and underlay address. */
export const Endpoint = Type.Object({ node: Name, address: Ipv4 });
export type Endpoint = Type.Static<typeof Endpoint>;

/** A member as the others hear of it; of one without a cloud nobody said where it is. */
export const Member = Type.Object({ node: Name, address: Ipv4, cloud: Type.Optional(Name) });
export type Member = Type.Static<typeof Member>;

/** A counted amount of bytes. */
export const Bytes = Type.Integer({ minimum: 0 });
