// The DHCPv6 server of one guest (RFC 8415): tells it the address that follows from its binding, and where DNS is. It keeps
// nothing, and is the same server at every node, so that a guest that has moved goes on as if it had not (SOUNDNESS C9). The
// address is good for ever; the guest asks again all the same, since its network's prefix may be another by then.
import {
  Dhcpv6Option,
  type Dhcpv6OptionEntry,
  Dhcpv6Port,
  type Dhcpv6Request,
  Dhcpv6Status,
  Dhcpv6Type,
  decodeDhcpv6Request,
  encodeDhcpv6Reply,
  iaAddressOption,
  iaOption,
  statusOption,
} from '../packets/dhcpv6.ts';
import { OctetWriter } from '../packets/octets.ts';
import { type Answer, type Asker, datagramFor, NO_ANSWER, refusal, type ServiceEvent } from './answers.ts';
import { wireName } from './zone-names.ts';

/** For ever (7.7). */
const INFINITE_S = 0xffffffff;
/** When a guest asks again, and so leaves a prefix that its network has no more: one message an hour. */
const TIMES = { renewS: 3_600, rebindS: 5_760 } as const;
const NO_TIMES = { renewS: 0, rebindS: 0 } as const;
/** A DUID of a link-layer address, and that of Ethernet (11.4). */
const [DUID_LL, ETHERNET] = [3, 1];
const DUID_BYTES = 10;

/** `source`: whence `bytes` came to the servers' address. @throws BadPacket */
export function answerDhcpv6(asker: Asker, source: bigint, bytes: Uint8Array): Answer {
  if (bytes[0] === Dhcpv6Type.relayForward) return refusal(asker, 'relayed');
  const request = decodeDhcpv6Request(bytes);
  const { type, options, events } = answerOf(asker, request);
  if (type === undefined) return NO_ANSWER;
  const payload = encodeDhcpv6Reply(type, request, [...serverOptions(asker, request), ...options]);
  const ends = { source: asker.directory.servicesIpv6, destination: source };
  const ports = { sourcePort: Dhcpv6Port.server, destinationPort: Dhcpv6Port.client };
  return { frames: [datagramFor(asker, asker.host.mac, ends, { ...ports, payload })], events };
}

/** Without a type nothing is said. */
interface Said {
  readonly type?: number;
  readonly options: readonly Dhcpv6OptionEntry[];
  readonly events: readonly ServiceEvent[];
}

const NOTHING: Said = { options: [], events: [] };

/** Which server a message must name, which it may, and what has no client's name is for nobody (16). */
function answerOf(asker: Asker, request: Dhcpv6Request): Said {
  const { type, clientId, serverId, ias } = request;
  const isOurs = serverId !== undefined && Buffer.compare(serverId, serverDuid(asker)) === 0;
  if (type === Dhcpv6Type.informationRequest)
    return ias.length > 0 || (serverId !== undefined && !isOurs) ? NOTHING : reply(networkOptions(asker));
  if (clientId === undefined) return NOTHING;
  switch (type) {
    case Dhcpv6Type.solicit:
      return serverId === undefined ? offer(asker, request) : NOTHING;
    case Dhcpv6Type.confirm:
      return serverId === undefined ? confirm(asker, request) : NOTHING;
    case Dhcpv6Type.rebind:
      return serverId === undefined ? lease(asker, request) : NOTHING;
    case Dhcpv6Type.request:
    case Dhcpv6Type.renew:
      return isOurs ? lease(asker, request) : NOTHING;
    case Dhcpv6Type.release:
      return isOurs ? told(asker, request, 'released') : NOTHING;
    case Dhcpv6Type.decline:
      return isOurs ? told(asker, request, 'declined') : NOTHING;
    default:
      return NOTHING;
  }
}

function reply(options: readonly Dhcpv6OptionEntry[], events: readonly ServiceEvent[] = []): Said {
  return { type: Dhcpv6Type.reply, options, events };
}

function offer(asker: Asker, request: Dhcpv6Request): Said {
  if (!request.isRapid) return { ...lease(asker, request), type: Dhcpv6Type.advertise, events: [] };
  const { options, events } = lease(asker, request);
  return reply([[Dhcpv6Option.rapidCommit, new Uint8Array(0)], ...options], events);
}

// The address goes to the first association, which is the interface's; others, and addresses that are not the guest's, or no
// more, are told off where they are named (18.3.4).
function lease(asker: Asker, request: Dhcpv6Request): Said {
  const [own] = asker.host.ipv6;
  const ias = request.ias.map(({ id, addresses }, index): Dhcpv6OptionEntry => {
    const given = index === 0 ? own : undefined;
    const over = addresses.filter((address) => address !== given).map((address) => iaAddressOption(address, 0));
    if (given !== undefined) return iaOption(id, TIMES, [iaAddressOption(given, INFINITE_S), ...over]);
    return iaOption(id, NO_TIMES, [...over, statusOption(Dhcpv6Status.noAddresses, 'there is none for it')]);
  });
  const isGiven = own !== undefined && ias.length > 0;
  const events: ServiceEvent[] = isGiven ? [{ kind: 'leased', portNo: asker.portNo, address: own }] : [];
  return reply([...ias, ...networkOptions(asker)], events);
}

/** Whether a guest that was elsewhere, or asleep, may go on with the addresses that it has; without any nobody can say (18.3.3). */
function confirm({ host }: Asker, { ias }: Dhcpv6Request): Said {
  const addresses = ias.flatMap((ia) => ia.addresses);
  if (addresses.length === 0) return NOTHING;
  if (addresses.every((address) => host.ipv6.includes(address)))
    return reply([statusOption(Dhcpv6Status.success, 'they are yours')]);
  return reply([statusOption(Dhcpv6Status.notOnLink, 'they are not yours')]);
}

/** The binding stays, whatever the guest does with its address. */
function told({ portNo, host }: Asker, { ias }: Dhcpv6Request, kind: 'released' | 'declined'): Said {
  const own = ias.flatMap(({ addresses }) => addresses).find((address) => host.ipv6.includes(address));
  const events = own === undefined ? [] : [{ kind, portNo, address: own }];
  return reply([statusOption(Dhcpv6Status.success, 'noted')], events);
}

function serverOptions(asker: Asker, { clientId }: Dhcpv6Request): Dhcpv6OptionEntry[] {
  const server: Dhcpv6OptionEntry = [Dhcpv6Option.serverId, serverDuid(asker)];
  return clientId === undefined ? [server] : [[Dhcpv6Option.clientId, clientId], server];
}

/** RFC 3646, 3 and 4. */
function networkOptions({ directory }: Asker): Dhcpv6OptionEntry[] {
  return [
    [Dhcpv6Option.nameServers, new OctetWriter(16).ipv6(directory.servicesIpv6).bytes],
    [Dhcpv6Option.searchList, wireName(directory.network.domain)],
  ];
}

/** The same at every node. */
function serverDuid({ directory }: Asker): Uint8Array {
  return new OctetWriter(DUID_BYTES).u16(DUID_LL).u16(ETHERNET).mac(directory.network.serviceMac).bytes;
}
