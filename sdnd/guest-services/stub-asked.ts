// A guest's packet for a stub whose resource is in another place (TOCS 2017, 3.3): the agent tells of it, and nobody answers.
// Nothing is kept of the packet: until the guest has moved its TCP sends it again, and so it takes the way that is right then.
import { IpProtocol, type Ipv4Packet } from '../packets/ipv4.ts';
import { OctetReader } from '../packets/octets.ts';
import type { Answer, Asker } from './answers.ts';
import type { StubElsewhere } from './guest-network.ts';

const SOURCE_PORT_BYTES = 2;

/** Undefined when the packet is for none. @throws BadPacket of TCP or UDP without ports */
export function askForStub({ portNo, host, directory }: Asker, packet: Ipv4Packet): Answer | undefined {
  const stubs = directory.network.stubs?.filter(({ address }) => address === packet.destination) ?? [];
  const stub = stubs.find((one) => isFor(one, packet));
  if (stub === undefined) return undefined;
  return { frames: [], events: [{ kind: 'stub-asked', portNo, guest: host.name, stub: stub.name }] };
}

function isFor({ service }: StubElsewhere, { protocol, payload }: Ipv4Packet): boolean {
  if (service === undefined) return true;
  if (protocol !== IpProtocol[service.protocol]) return false;
  const reader = new OctetReader(service.protocol, payload);
  reader.bytes(SOURCE_PORT_BYTES);
  return reader.u16() === service.port;
}
