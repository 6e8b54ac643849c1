// The DHCPv4 server of one guest (RFC 2131): tells it the address that its binding says, for ever, since the address is the
// orchestrator's and a lease that ends while the controller is away would end connections (SOUNDNESS C9). It keeps nothing:
// whatever node a guest is at answers the same.
import {
  addressOption,
  DhcpOption,
  DhcpPort,
  type DhcpRequest,
  DhcpType,
  decodeDhcpRequest,
  encodeDhcpReply,
} from '../packets/dhcp.ts';
import { BROADCAST_MAC } from '../packets/ethernet.ts';
import { BROADCAST_IPV4 } from '../packets/ipv4.ts';
import { type Answer, type Asker, datagramFor, NO_ANSWER, refusal, type ServiceEvent } from './answers.ts';
import { subnetOf } from './guest-network.ts';
import { leaseOptions, serverOptions } from './lease-options.ts';

const UNSPECIFIED = 0;

/** What the guest may have, and who says so. */
interface Lease {
  readonly address: number;
  readonly services: number;
}

/** `bytes`: what came to the server's port. @throws BadPacket */
export function answerDhcp(asker: Asker, bytes: Uint8Array): Answer {
  const request = decodeDhcpRequest(bytes);
  const { host, directory } = asker;
  if (request.mac !== host.mac) return refusal(asker, 'not-own-mac');
  if (request.relayAddress !== UNSPECIFIED) return refusal(asker, 'relayed');
  const services = subnetOf(directory.network, host)?.services;
  const [address] = host.ipv4;
  // A server that knows nothing of a client is silent (4.3.2).
  if (services === undefined || address === undefined) return refusal(asker, 'nothing-bound');
  const server = addressOption(request, DhcpOption.serverId);
  if (server !== undefined && server !== services) return NO_ANSWER;
  return answerByType(asker, request, { address, services });
}

function answerByType(asker: Asker, request: DhcpRequest, lease: Lease): Answer {
  const { portNo, host } = asker;
  const { clientAddress } = request;
  switch (request.type) {
    case DhcpType.discover:
      return grant(asker, request, lease, DhcpType.offer);
    case DhcpType.request:
      return answerRequest(asker, request, lease);
    case DhcpType.inform:
      if (!host.ipv4.includes(clientAddress)) return refusal(asker, 'not-own-address');
      return inform(asker, request, lease);
    case DhcpType.decline: {
      const address = addressOption(request, DhcpOption.requestedAddress) ?? UNSPECIFIED;
      return told(asker, { kind: 'declined', portNo, address });
    }
    case DhcpType.release:
      return told(asker, { kind: 'released', portNo, address: clientAddress });
    default:
      return NO_ANSWER;
  }
}

/** Only of what is its own may a guest say anything. */
function told(asker: Asker, event: ServiceEvent & { address: number }): Answer {
  return asker.host.ipv4.includes(event.address) ? { frames: [], events: [event] } : refusal(asker, 'not-own-address');
}

/** Chosen, rebooted (both by option 50), renewing or rebinding (by `ciaddr`): the address is the bound one or refused (4.3.2). */
function answerRequest(asker: Asker, request: DhcpRequest, lease: Lease): Answer {
  const wanted = addressOption(request, DhcpOption.requestedAddress) ?? request.clientAddress;
  if (wanted === lease.address) return grant(asker, request, lease, DhcpType.ack);
  return send(asker, request, { lease, type: DhcpType.nak, isForAll: true });
}

function grant(asker: Asker, request: DhcpRequest, lease: Lease, type: number): Answer {
  const { portNo, directory, host } = asker;
  const options = leaseOptions(directory.network, host, { isLease: true });
  const isForAll = request.clientAddress === UNSPECIFIED && request.isBroadcast;
  const answer = send(asker, request, { lease, type, isForAll, yourAddress: lease.address, options });
  if (type !== DhcpType.ack) return answer;
  return { ...answer, events: [{ kind: 'leased', portNo, address: lease.address }] };
}

/** All but an address and how long it is good for (4.3.5). */
function inform(asker: Asker, request: DhcpRequest, lease: Lease): Answer {
  const options = leaseOptions(asker.directory.network, asker.host, { isLease: false });
  return send(asker, request, { lease, type: DhcpType.ack, isForAll: false, options });
}

interface Reply {
  readonly lease: Lease;
  readonly type: number;
  /** To the broadcast addresses: the client cannot yet be reached otherwise, or must not (4.1, 4.3.2). */
  readonly isForAll: boolean;
  readonly yourAddress?: number;
  readonly options?: ReturnType<typeof leaseOptions>;
}

function send(asker: Asker, request: DhcpRequest, { lease, type, isForAll, ...reply }: Reply): Answer {
  const { yourAddress = UNSPECIFIED, options = [] } = reply;
  const isNak = type === DhcpType.nak;
  const payload = encodeDhcpReply({
    request,
    clientAddress: isNak ? UNSPECIFIED : request.clientAddress,
    yourAddress,
    isBroadcast: request.isBroadcast || isNak,
    options: [...serverOptions(type, lease.services, request), ...options],
  });
  const known = request.clientAddress === UNSPECIFIED ? yourAddress : request.clientAddress;
  const ends = { source: lease.services, destination: isForAll ? BROADCAST_IPV4 : known };
  const ports = { sourcePort: DhcpPort.server, destinationPort: DhcpPort.client };
  const mac = isForAll ? BROADCAST_MAC : asker.host.mac;
  return { frames: [datagramFor(asker, mac, ends, { ...ports, payload })], events: [] };
}
