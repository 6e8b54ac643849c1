// The metadata address: what a guest reads there, each of itself, over TCP of which nothing is remembered, so that whoever
// has the port by then answers what was asked.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { METADATA_IPV4 } from '../../../sdnd/guest-services/guest-network.ts';
import { answerFrame } from '../../../sdnd/guest-services/guest-services.ts';
import { decodeEthernet } from '../../../sdnd/packets/ethernet.ts';
import { decodeIpv4 } from '../../../sdnd/packets/ipv4.ts';
import { decodeTcp, TcpFlag, type TcpSegment } from '../../../sdnd/packets/tcp.ts';
import { only } from './reading.ts';
import { asker, DB, metadataFrame, NETWORK, WEB, WEB_MAC } from './small-network.ts';

const { syn, ack, fin, psh, rst } = TcpFlag;
const MAX = 0xffff_ffff;
const [OWN = 0] = WEB.ipv4;

/** The one segment that answers a frame. */
function answered(frame: Uint8Array, from = asker()): TcpSegment {
  const { destination: mac, payload } = decodeEthernet(only(answerFrame(from, frame)));
  const packet = decodeIpv4(payload);
  assert.equal([mac, packet.source, packet.destination], [WEB_MAC, METADATA_IPV4, OWN]);
  return decodeTcp(packet, packet.payload);
}

function isSilent(segment: Partial<TcpSegment>): boolean {
  return answerFrame(asker(), metadataFrame(segment)).frames.length === 0;
}

function ask(text: string, from = asker()): string {
  const payload = Buffer.from(text, 'latin1');
  return Buffer.from(answered(metadataFrame({ acknowledgement: 7, payload }), from).payload).toString('latin1');
}

/** The body of what is there; undefined where nothing is. */
function read(path: string, from = asker()): string | undefined {
  const [head = '', body] = ask(`GET ${path} HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n`, from).split('\r\n\r\n');
  if (head.startsWith('HTTP/1.1 404 ')) return undefined;
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(head, new RegExp(`\r\nContent-Length: ${body?.length}\r\n`));
  return body;
}

test('a connection is taken, asked once, answered with its end, and closed', () => {
  const opened = answered(metadataFrame({ sequence: MAX, flags: syn }));
  assert.equal([opened.flags, opened.acknowledgement], [syn | ack, 0]);
  assert.equal([opened.sourcePort, opened.destinationPort], [80, 40_000]);
  assert.ok(isSilent({ sequence: 0, acknowledgement: opened.sequence }));
  const payload = Buffer.from('GET / HTTP/1.0\r\n\r\n');
  const request = metadataFrame({ sequence: MAX - 1, acknowledgement: 5_000, flags: ack | psh, payload });
  const response = answered(request);
  assert.equal(
    [response.flags, response.sequence, response.acknowledgement],
    [ack | psh | fin, 5_000, payload.length - 2],
  );
  const closed = answered(metadataFrame({ sequence: 20, acknowledgement: 6_000, flags: ack | fin }));
  assert.equal([closed.flags, closed.sequence, closed.acknowledgement, closed.payload.length], [ack, 6_000, 21, 0]);
});

test("it says the longest segment that fits into the guest's MTU", () => {
  const frame = only(answerFrame(asker(), metadataFrame({ flags: syn })));
  assert.equal([...frame.subarray(-4)], [2, 4, ...[1_290 >> 8, 1_290 & 0xff]]);
});

test('whoever asks again hears the same, at another node too, and what follows a request is only taken', () => {
  const request = metadataFrame({ payload: Buffer.from('GET /latest/meta-data/mac HTTP/1.1\r\n') });
  assert.equal(answered(request, { ...asker(), portNo: 9 }), answered(request));
  const rest = answered(
    metadataFrame({ sequence: 1_036, acknowledgement: 9, payload: Buffer.from('Host: a\r\n\r\n') }),
  );
  assert.equal([rest.flags, rest.acknowledgement, rest.payload.length], [ack, 1_047, 0]);
});

test('no other port is listened at, and what has no place in a connection is turned away', () => {
  const other = answered(metadataFrame({ sequence: 41, flags: syn, destinationPort: 81 }));
  assert.equal([other.flags, other.acknowledgement, other.sourcePort], [rst | ack, 42, 81]);
  assert.equal(answered(metadataFrame({ acknowledgement: 77, destinationPort: 81 })).sequence, 77);
  assert.is(answered(metadataFrame({ flags: fin })).flags, rst | ack);
  assert.is(answered(metadataFrame({ flags: syn | ack })).flags, rst);
  assert.ok(isSilent({ flags: rst }));
  assert.is(answerFrame(asker(), metadataFrame({ flags: syn }, OWN + 5)).frames.length, 0);
});

test('a guest reads its own name and addresses, as EC2 says them', () => {
  assert.is(read('/'), '2009-04-04\nlatest');
  for (const version of ['latest', '2009-04-04', '2021-03-23']) {
    assert.is(read(`/${version}/`), 'meta-data/');
    assert.is(read(`/${version}/meta-data`), 'hostname\ninstance-id\nipv6\nlocal-hostname\nlocal-ipv4\nmac');
    assert.is(read(`/${version}/meta-data/hostname`), 'web.shop.internal');
    assert.is(read(`/${version}/meta-data/local-ipv4?x=1`), '10.88.0.10');
    assert.is(read(`/${version}/meta-data/ipv6`), 'fd00:88::88:ff:fe00:a');
    assert.is(read(`/${version}/meta-data/mac`), '02:88:00:00:00:0a');
  }
  const nothing = ['/latest/user-data', '/latest/meta-data/public-keys/', '/latest/meta-data/mac/x', '/newest/', '/x'];
  assert.equal(
    nothing.map((path) => read(path)),
    Array(nothing.length).fill(undefined),
  );
});

test('and as OpenStack says them', () => {
  assert.match(read('/openstack/') ?? '', /^2012-08-10\nlatest$/);
  assert.is(read('/openstack/latest/'), 'meta_data.json');
  const { uuid, ...more } = JSON.parse(read('/openstack/latest/meta_data.json') ?? '') as Record<string, unknown>;
  assert.equal(more, { name: 'web', hostname: 'web.shop.internal', launch_index: 0 });
  assert.match(String(uuid), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  for (const path of [
    '/openstack/2050-01-01/',
    '/openstack/latest/vendor_data.json',
    '/openstack/latest/meta_data.json/x',
  ])
    assert.is(read(path), undefined, path);
});

test('no two VMs have one id, whatever network they are in', () => {
  const id = (from: ReturnType<typeof asker>): string | undefined => read('/latest/meta-data/instance-id', from);
  const own = id(asker());
  assert.match(own ?? '', /^i-[0-9a-f]{17}$/);
  const others = [
    asker(WEB, { ...NETWORK, domain: 'other.internal' }),
    asker({ ...WEB, name: 'web2' }),
    asker({ ...DB, mac: WEB_MAC, ipv4: WEB.ipv4 }),
  ].map(id);
  assert.is(new Set([own, ...others]).size, 4);
});

test('a token is had by whoever puts for it; other methods are refused, and a line that has no end in its segment', () => {
  assert.match(
    ask('PUT /latest/api/token HTTP/1.1\r\nContent-Length: 0\r\n\r\n'),
    /^HTTP\/1\.1 200 .*\r\n\r\n[0-9a-f]{32}$/s,
  );
  assert.match(ask('GET /latest/api/token HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 405 /);
  assert.match(ask('POST /latest/ HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 405 /);
  assert.match(ask(`GET /${'x'.repeat(1_200)}`), /^HTTP\/1\.1 414 /);
  assert.match(ask('HEAD /latest/ HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 200 .*Content-Length: 10\r\n.*\r\n\r\n$/s);
  assert.match(ask('HEAD /x HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 404 .*\r\n\r\n$/s);
});

test.run();
