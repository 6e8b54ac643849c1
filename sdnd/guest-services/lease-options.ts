// What a DHCP server's message says besides an address, as options (RFC 2132, 3442).
import { ipv4Mask } from '@openflow/ofp';
import { DhcpOption, type DhcpOptionEntry, type DhcpRequest, DhcpType } from '../packets/dhcp.ts';
import { OctetWriter } from '../packets/octets.ts';
import { type GuestHost, type GuestNetwork, METADATA_IPV4, subnetOf } from './guest-network.ts';

/** For ever (RFC 2131, 3.3). */
const INFINITE_S = 0xffffffff;
/** Of a route that leads to the link itself (RFC 3442). */
const ON_LINK = 0;
const HOST_BITS = 32;

/** Type and server, and the client's own id again (RFC 6842); a refusal says why. */
export function serverOptions(type: number, services: number, { options }: DhcpRequest): DhcpOptionEntry[] {
  const id = options.get(DhcpOption.clientId);
  return [
    [DhcpOption.messageType, Uint8Array.of(type)],
    [DhcpOption.serverId, u32(services)],
    ...(type === DhcpType.nak ? [text(DhcpOption.message, 'the address is not yours')] : []),
    ...(id === undefined ? [] : [[DhcpOption.clientId, id] as const]),
  ];
}

/** All that is known of the guest's network; `isLease`: with the time for which the address is good. */
export function leaseOptions(
  network: GuestNetwork,
  host: GuestHost,
  { isLease }: { readonly isLease: boolean },
): DhcpOptionEntry[] {
  const subnet = subnetOf(network, host);
  if (subnet === undefined) return [];
  const { bits, services, router } = subnet;
  const { mtuBytes, domain, resolvers = [] } = network;
  return [
    ...(isLease ? [[DhcpOption.leaseTime, u32(INFINITE_S)] as const] : []),
    [DhcpOption.subnetMask, u32(ipv4Mask(bits))],
    ...(router === undefined ? [] : [[DhcpOption.router, u32(router)] as const]),
    // The services first: they refuse names outside, and whoever is refused asks the next one.
    [DhcpOption.nameServers, Buffer.concat([services, ...resolvers].map(u32))],
    text(DhcpOption.hostName, host.name),
    text(DhcpOption.domainName, domain),
    [DhcpOption.mtu, new OctetWriter(2).u16(mtuBytes).bytes],
    [DhcpOption.routes, routes(router)],
  ];
}

/** Who takes this option does without option 3 (RFC 3442), so the way out is in both. */
function routes(router: number | undefined): Uint8Array {
  const metadata = new OctetWriter(9).u8(HOST_BITS).u32(METADATA_IPV4).u32(ON_LINK).bytes;
  if (router === undefined) return metadata;
  return new OctetWriter(metadata.length + 5).put(metadata).u8(0).u32(router).bytes;
}

function u32(value: number): Uint8Array {
  return new OctetWriter(4).u32(value).bytes;
}

function text(code: number, words: string): DhcpOptionEntry {
  return [code, new TextEncoder().encode(words)];
}
