// What the router says for itself over IPv6: pings of its addresses are answered, whose packet's hop limit is over is told so,
// and that there is no way to the Internet; nobody speaks for another, and of an error nobody is told one.
import { ipv6 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { answerFrame } from '../../../sdnd/guest-services/guest-services.ts';
import { serviceMatches } from '../../../sdnd/guest-services/service-matches.ts';
import { checksum, pseudoHeader } from '../../../sdnd/packets/checksum.ts';
import { decodeEthernet, EtherType, encodeEthernet } from '../../../sdnd/packets/ethernet.ts';
import { IpProtocol } from '../../../sdnd/packets/ipv4.ts';
import { decodeIpv6, encodeIpv6, linkLocalOf } from '../../../sdnd/packets/ipv6.ts';
import { only } from './reading.ts';
import { asker, icmpv6Frame, NETWORK, PREFIX, ROUTER, SERVICE_MAC, WEB, WEB_MAC } from './small-network.ts';

const [OWN = 0n] = WEB.ipv6;
const FAR = ipv6('fd00:88:0:1::9');
const INTERNET = ipv6('2001:db8::1');
const LINK_LOCAL = linkLocalOf(WEB_MAC);
const ECHO = Uint8Array.of(128, 0, 0, 0, 0x12, 0x34, 0, 7, 1, 2, 3, 4, 5);
const ROUTED = { ...NETWORK, prefixes: [...NETWORK.prefixes, { prefix: FAR - 9n, router: FAR - 8n }] };

/** Who says what to whom. */
function told(frame: Uint8Array) {
  const { source: mac, destination: toMac, payload } = decodeEthernet(only(answerFrame(asker(WEB, ROUTED), frame)));
  const { source, destination, nextHeader, payload: icmp } = decodeIpv6(payload);
  const ends = pseudoHeader({ source, destination }, IpProtocol.icmpv6, icmp.length);
  assert.equal([mac, toMac, nextHeader, checksum(ends, icmp)], [SERVICE_MAC, WEB_MAC, IpProtocol.icmpv6, 0]);
  return { source, destination, type: icmp[0], code: icmp[1], rest: icmp.subarray(4) };
}

function isSilent(frame: Uint8Array): boolean {
  return answerFrame(asker(WEB, ROUTED), frame).frames.length === 0;
}

function datagram(destination: bigint, hopLimit: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(bytes);
  const packet = encodeIpv6({ source: OWN, destination, hopLimit, nextHeader: IpProtocol.udp, payload });
  return encodeEthernet({ destination: SERVICE_MAC, source: WEB_MAC, etherType: EtherType.ipv6, payload: packet });
}

test('every address of the router answers a ping with what it was asked', () => {
  for (const router of [ROUTER, FAR - 8n, linkLocalOf(SERVICE_MAC)]) {
    const answer = told(icmpv6Frame(OWN, router, ECHO, 64));
    assert.equal(answer, { source: router, destination: OWN, type: 129, code: 0, rest: ECHO.subarray(4) });
  }
  assert.is(told(icmpv6Frame(LINK_LOCAL, linkLocalOf(SERVICE_MAC), ECHO)).destination, LINK_LOCAL);
  assert.ok(isSilent(icmpv6Frame(OWN, ROUTER, Uint8Array.of(129, ...ECHO.subarray(1)))));
  assert.ok(isSilent(icmpv6Frame(OWN, ROUTER, Uint8Array.of(128, 1, ...ECHO.subarray(2)))));
  assert.ok(isSilent(icmpv6Frame(FAR, ROUTER, ECHO)));
  const wrong = icmpv6Frame(OWN, ROUTER, ECHO);
  wrong[14 + 40 + 3] = (wrong[14 + 40 + 3] ?? 0) ^ 1;
  assert.is(answerFrame(asker(WEB, ROUTED), wrong).events[0]?.kind, 'malformed');
});

test('nobody is answered by what is longer than the MTU of the network', () => {
  const ping = (bytes: number): Uint8Array =>
    icmpv6Frame(OWN, ROUTER, Uint8Array.of(128, 0, ...new Uint8Array(bytes - 40 - 2)), 64);
  assert.is(told(ping(NETWORK.mtuBytes)).rest.length, NETWORK.mtuBytes - 40 - 4);
  const { frames, events } = answerFrame(asker(WEB, ROUTED), ping(NETWORK.mtuBytes + 1));
  assert.equal([frames.length, events], [0, [{ kind: 'refused', portNo: 7, reason: 'over-mtu' }]]);
});

test('a ping with its last hop reaches the router, and what it would have to send on comes back', () => {
  assert.is(told(icmpv6Frame(OWN, ROUTER, ECHO, 1)).type, 129);
  for (const hopLimit of [0, 1]) {
    const frame = icmpv6Frame(OWN, FAR, ECHO, hopLimit);
    const { rest, ...answer } = told(frame);
    assert.equal(answer, { source: ROUTER, destination: OWN, type: 3, code: 0 });
    assert.equal(rest.subarray(4), decodeEthernet(frame).payload);
  }
  // With the error's own headers the 1280 bytes that go through every link.
  assert.is(told(datagram(FAR, 1, 1_270)).rest.length, 4 + 1_232);
});

test('to the Internet there is no route, and a guest is told so', () => {
  const { source, type, code } = told(datagram(INTERNET, 64, 8));
  assert.equal([source, type, code], [ROUTER, 1, 0]);
  assert.is(told(datagram(INTERNET, 1, 8)).type, 3);
  assert.ok(isSilent(icmpv6Frame(LINK_LOCAL, INTERNET, ECHO, 64)));
});

test('of an error nobody is told one, nor is another guest, nor who asks many', () => {
  for (const type of [1, 3, 127, 137]) {
    assert.ok(isSilent(icmpv6Frame(OWN, FAR, Uint8Array.of(type, ...ECHO.subarray(1)), 1)));
  }
  assert.ok(isSilent(icmpv6Frame(FAR, FAR, ECHO, 1)));
  assert.ok(isSilent(icmpv6Frame(OWN, FAR, ECHO)));
  assert.ok(isSilent(icmpv6Frame(OWN, ipv6('ff02::1'), ECHO, 1)));
});

test("a guest in a network without a router has no frames of it led to its node's services", () => {
  const words = (prefixes: typeof ROUTED.prefixes): number =>
    serviceMatches({ ...NETWORK, subnets: [], prefixes }).filter(
      ({ icmpv6Type, ipTtl, ethDst }) => icmpv6Type === 128 || ipTtl !== undefined || ethDst !== undefined,
    ).length;
  assert.equal([words(ROUTED.prefixes), words([{ prefix: PREFIX }]), words([])], [6, 0, 0]);
});

test.run();
