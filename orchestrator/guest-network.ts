// The guests' network as it is configured: its name, which is its VMs' zone (NAME.internal), its subnet, and which of its
// addresses are no guest's.
import { Type } from 'typebox';
import { OperationError } from '../common/errors.ts';
import type { GuestNetworkPlan } from '../wire/contracts/guest-network.ts';
import { Name } from '../wire/names.ts';

/** The one tenant that there is so far. */
const TENANT = 1;
const BYTE = 256;
const ADDRESS_BITS = 32;
const BITS_MIN = 8;
/** A network of eight addresses has five for guests. */
const BITS_MAX = 29;

export const GuestNetworkConfig = Type.Object({
  name: Name,
  /** As `10.88.0.0/24`. */
  subnet: Type.String(),
});

const DEFAULT: Type.Static<typeof GuestNetworkConfig> = { name: 'main', subnet: '10.88.0.0/24' };

/** The first address is kept for the services (DHCP, DNS) and a gateway. @throws OperationError NETWORK_BAD */
export function guestNetwork({ name, subnet }: typeof DEFAULT = DEFAULT): GuestNetworkPlan {
  const [text = '', prefix = ''] = subnet.split('/');
  const address = addressNumber(text);
  const bits = /^\d{1,2}$/.test(prefix) ? Number(prefix) : Number.NaN;
  const isWhole = address !== undefined && bits >= BITS_MIN && bits <= BITS_MAX && address % sizeOf(bits) === 0;
  if (!isWhole) {
    throw new OperationError('NETWORK_BAD', `${subnet} is no subnet of guests`, {
      remedy: `give its lowest address and ${BITS_MIN} to ${BITS_MAX} bits, as 10.88.0.0/24`,
    });
  }
  return { tenant: TENANT, name, subnet: text, bits, services: addressText(address + 1) };
}

/** @throws OperationError ADDRESS_OUTSIDE, ADDRESS_RESERVED */
export function checkInNetwork({ subnet, bits, services }: GuestNetworkPlan, ip: string): void {
  const [first = 0, address = -1] = [addressNumber(subnet), addressNumber(ip)];
  const place = address - first;
  if (place < 0 || place >= sizeOf(bits)) {
    throw new OperationError('ADDRESS_OUTSIDE', `${ip} is not in the guests' network ${subnet}/${bits}`, {
      remedy: `choose an address of it, as ${addressText(first + sizeOf(bits) / 2)}`,
    });
  }
  const isEdge = place === 0 || place === sizeOf(bits) - 1;
  if (!isEdge && ip !== services) return;
  throw new OperationError('ADDRESS_RESERVED', `${ip} is ${isEdge ? 'no address of one host' : "the services' own"}`, {
    remedy: `choose another address of ${subnet}/${bits}`,
  });
}

function sizeOf(bits: number): number {
  return 2 ** (ADDRESS_BITS - bits);
}

/** Undefined of what is none. */
function addressNumber(text: string): number | undefined {
  const parts = text.split('.').map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : BYTE));
  if (parts.length !== 4 || parts.some((part) => part >= BYTE)) return undefined;
  return parts.reduce((sum, part) => sum * BYTE + part, 0);
}

function addressText(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % BYTE).join('.');
}
