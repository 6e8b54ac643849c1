// The way out at its own node, whose switch remembers the connections: under the network's address and no other, answers to whom
// they are for, and from outside nobody but who calls at a port that leads in.
import { ethAddress, ipv4 } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { egressMac } from '../../../sdnd/forwarding/egress.ts';
import { SERVICE_MAC } from '../../../sdnd/pipeline.ts';
import type { Sent } from '../../sim/net-switch.ts';
import { type End, fromGuest, OneSwitch, tcp } from './one-switch.ts';
import { bindingOf, portNoOf, portsOf, viewOf } from './overlay-maker.ts';

const GUEST = bindingOf('g0', 'n2');
const ADDRESS = '198.51.100.7';
const NEXT_HOP = '02:99:00:00:00:01';
const OUTSIDE = portsOf('n2').get('lab0') ?? 0;
const FAR: End = { ip: '203.0.113.9', port: 443 };
const NEAR: End = { ip: GUEST.ip, port: 40_000 };
const [CALLED, LEADS_TO] = [8080, 80];

const view = viewOf([GUEST]);
const egress = {
  ...{ node: 'n2', port: 'lab0', address: ADDRESS, nextHop: NEXT_HOP },
  forwards: [{ protocol: 'tcp' as const, port: CALLED, to: GUEST.ip, toPort: LEADS_TO }],
};
const overlay = { ...view, networks: view.networks.map((network) => ({ ...network, egress })) };

/** Of a packet from outside to the network's address. */
function fromOutside(from: End, port: number, ip = ADDRESS) {
  return tcp({ inPort: OUTSIDE, ethSrc: NEXT_HOP, ethDst: egressMac(ADDRESS) }, from, { ip, port });
}

function said([sent, ...more]: readonly Sent[]) {
  assert.equal(more, []);
  const { ipv4Src, tcpSrc, ipv4Dst, tcpDst, ethSrc, ethDst, ipTtl } = sent?.frame ?? {};
  return { portNo: sent?.portNo, ends: [ipv4Src, tcpSrc, ipv4Dst, tcpDst], ethSrc, ethDst, ipTtl };
}

test("a guest is seen by the network's address, and hears the answers", () => {
  const one = new OneSwitch('n2', overlay);
  assert.equal(said(one.opens(fromGuest(GUEST, NEAR.port, SERVICE_MAC, FAR))), {
    ...{ portNo: OUTSIDE, ends: [ipv4(ADDRESS), NEAR.port, ipv4(FAR.ip), FAR.port], ipTtl: 63 },
    ...{ ethSrc: egressMac(ADDRESS), ethDst: ethAddress(NEXT_HOP) },
  });
  assert.equal(said(one.goesOn(fromOutside(FAR, NEAR.port))), {
    ...{ portNo: portNoOf(GUEST), ends: [ipv4(FAR.ip), FAR.port, ipv4(NEAR.ip), NEAR.port], ipTtl: 63 },
    ...{ ethSrc: SERVICE_MAC, ethDst: ethAddress(GUEST.mac) },
  });
});

test('what is of no connection does not come in, whoever it is for', () => {
  const one = new OneSwitch('n2', overlay);
  assert.equal(one.goesOn(fromOutside(FAR, NEAR.port)), []);
  assert.equal(one.opens(fromOutside(FAR, NEAR.port)), []);
  assert.equal(one.opens(fromOutside(FAR, NEAR.port, GUEST.ip)), [], 'past the translation');
});

test('who calls at a port that leads in is seen by the guest, which answers as the network', () => {
  const one = new OneSwitch('n2', overlay);
  const caller: End = { ip: '203.0.113.5', port: 50_000 };
  assert.equal(said(one.opens(fromOutside(caller, CALLED))).ends, [
    ...[ipv4(caller.ip), caller.port],
    ...[ipv4(GUEST.ip), LEADS_TO],
  ]);
  assert.equal(said(one.goesOn(fromGuest(GUEST, LEADS_TO, SERVICE_MAC, caller))).ends, [
    ...[ipv4(ADDRESS), CALLED],
    ...[ipv4(caller.ip), caller.port],
  ]);
  assert.equal(one.opens(fromOutside(caller, LEADS_TO)), []);
});

test('who asks outside for the address of the network is answered, and for no other', () => {
  const one = new OneSwitch('n2', overlay);
  const asks = (arpTpa: string) =>
    one.process({
      ...{ inPort: OUTSIDE, ethSrc: ethAddress(NEXT_HOP), ethDst: 'ff:ff:ff:ff:ff:ff', ethType: 0x0806 },
      ...{ arpOp: 1, arpSha: ethAddress(NEXT_HOP), arpSpa: ipv4('198.51.100.1'), arpTpa: ipv4(arpTpa) },
    });
  assert.equal(
    asks(ADDRESS).map(({ portNo, frame: { arpSha, arpSpa } }) => [portNo, arpSha, arpSpa]),
    [[OUTSIDE, egressMac(ADDRESS), ipv4(ADDRESS)]],
  );
  assert.equal(asks(GUEST.ip), []);
});

test.run();
