// What a node's services make of a guest's packet for a stub whose resource is elsewhere, and how it gets to them.
import { ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Answer } from '../../../sdnd/guest-services/answers.ts';
import { answerFrame } from '../../../sdnd/guest-services/guest-services.ts';
import { EtherType, encodeEthernet } from '../../../sdnd/packets/ethernet.ts';
import { encodeIpv4, IpProtocol } from '../../../sdnd/packets/ipv4.ts';
import { encodeTcp, TcpFlag } from '../../../sdnd/packets/tcp.ts';
import { encodeUdp } from '../../../sdnd/packets/udp.ts';
import { asker, NETWORK, SERVICE_MAC, WEB, WEB_MAC } from './small-network.ts';

const STORE = { name: 'store', address: ipv4('10.88.0.201') };
const ORDERS = { name: 'orders', address: ipv4('10.88.0.200'), service: { protocol: 'tcp', port: 5432 } } as const;
const NAMES = { name: 'names', address: ORDERS.address, service: { protocol: 'udp', port: 53 } } as const;
const network = { ...NETWORK, stubs: [STORE, ORDERS, NAMES] };
const [OWN = 0] = WEB.ipv4;
const nothing = new Uint8Array(0);

function packet(destination: number, protocol: number, payload: Uint8Array, source = OWN): Answer {
  const bytes = encodeIpv4({ source, destination, protocol, payload });
  const frame = encodeEthernet({
    destination: SERVICE_MAC,
    source: WEB_MAC,
    etherType: EtherType.ipv4,
    payload: bytes,
  });
  return answerFrame(asker(WEB, network), frame);
}

function syn(destination: number, destinationPort: number, source = OWN): Answer {
  const numbers = { sequence: 1, acknowledgement: 0, flags: TcpFlag.syn, payload: nothing };
  const segment = { sourcePort: 40_000, destinationPort, ...numbers };
  return packet(destination, IpProtocol.tcp, encodeTcp({ source, destination }, segment), source);
}

function datagram(destination: number, destinationPort: number): Answer {
  const udp = { sourcePort: 40_000, destinationPort, payload: nothing };
  return packet(destination, IpProtocol.udp, encodeUdp({ source: OWN, destination }, udp));
}

const asked = (stub: string): Answer => {
  return { frames: [], events: [{ kind: 'stub-asked', portNo: 7, guest: 'web', stub }] };
};
const refused = (reason: string) => [{ kind: 'refused', portNo: 7, reason }];

test('it is told, by the guest and the stub, and not answered', () => {
  assert.equal(syn(ORDERS.address, 5432), asked('orders'));
  assert.equal(datagram(ORDERS.address, 53), asked('names'));
  assert.equal(syn(STORE.address, 9), asked('store'));
  assert.equal(packet(STORE.address, IpProtocol.icmp, Uint8Array.of(8, 0, 0xf7, 0xff, 0, 0, 0, 0)), asked('store'));
});

test('of another port, another protocol or another address there is none', () => {
  for (const answer of [syn(ORDERS.address, 5433), datagram(ORDERS.address, 5432), syn(ipv4('10.88.0.202'), 5432)])
    assert.equal(answer.events, refused('not-for-services'));
  assert.equal(syn(ORDERS.address, 5432, ipv4('10.88.0.99')).events, refused('not-own-address'));
});

test('what has no port is malformed', () => {
  const [event] = packet(ORDERS.address, IpProtocol.tcp, Uint8Array.of(1, 2, 3)).events;
  assert.equal(event, { kind: 'malformed', portNo: 7, protocol: 'tcp', fault: 'truncated' });
});

test.run();
