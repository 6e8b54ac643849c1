// The desk at a switch made of the codec: what it asks of the switch, how frames come and go, and that it comes back.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Message, NO_BUFFER } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../../common/clock.ts';
import { createLog } from '../../../common/log.ts';
import { ServiceDesk } from '../../../sdnd/agent/service-desk.ts';
import type { ServiceEvent } from '../../../sdnd/guest-services/answers.ts';
import { GuestServices } from '../../../sdnd/guest-services/guest-services.ts';
import { DhcpType } from '../../../sdnd/packets/dhcp.ts';
import { dhcpFrame, NETWORK, WEB } from '../guest-services/small-network.ts';
import { SocketSwitch } from './socket-switch.ts';

const desks = suite('service desk');
const folder = mkdtempSync(join(tmpdir(), 'desk-'));
const OWN = WEB.ipv4[0];

function deskAt({ path: socket }: SocketSwitch) {
  const services = new GuestServices();
  services.serve([NETWORK], [{ portNo: 7, tenant: 1, host: WEB }], realClock.nowMs());
  const events: ServiceEvent[] = [];
  const tell = (event: ServiceEvent): void => void events.push(event);
  return {
    events,
    desk: new ServiceDesk({ socket, services, tell, clock: realClock, log: createLog('desk', 'silent') }),
  };
}

function packetIn(portNo: number): Message {
  const data = dhcpFrame({ type: DhcpType.request, requested: OWN ?? 0 });
  const words = { bufferId: NO_BUFFER, totalBytes: data.length, reason: 'action', tableId: 0, cookie: 0n } as const;
  return { type: 'packet-in', ...words, match: { inPort: portNo }, data };
}

desks.after(() => rmSync(folder, { recursive: true }));

desks('it asks for packets under its own id, and tells the guests of their router', async () => {
  const peer = new SocketSwitch(folder, 'asks');
  const { desk } = deskAt(peer);
  const [advertisement] = await peer.messages('packet-out', 1);
  assert.equal(await peer.messages('nx-set-controller-id', 1), [{ type: 'nx-set-controller-id', controllerId: 1 }]);
  assert.equal(await peer.messages('set-config', 1), [{ type: 'set-config', flags: 3, missSendBytes: 0xffff }]);
  assert.is(advertisement?.type === 'packet-out' && advertisement.data[54], 134);
  desk.stop();
  await peer.close();
});

desks(
  'a frame is answered by the port that it came from, its events are told; it goes on after the switch was away',
  async () => {
    const peer = new SocketSwitch(folder, 'answers');
    const { desk, events } = deskAt(peer);
    for (const round of [1, 2]) {
      await peer.messages('packet-out', 1);
      peer.send(packetIn(8));
      peer.send(packetIn(7));
      const [, answer, more] = await peer.messages('packet-out', 2);
      assert.equal(answer?.type === 'packet-out' && answer.actions, [{ type: 'output', port: 7, maxBytes: 0xffff }]);
      assert.is(more, undefined, 'a port that is not served is passed over');
      assert.is(events.length, round);
      assert.equal(events.at(-1), { kind: 'leased', portNo: 7, address: OWN });
      peer.drop();
    }
    desk.stop();
    await peer.close();
  },
);

desks.run();
