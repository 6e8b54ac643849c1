// The prober's desk at a switch made of the codec: what it asks of the switch, its flows, and how probes come and go.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ipv4, type Message, NO_BUFFER } from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { realClock } from '../../../common/clock.ts';
import { flowKey } from '../../../sdnd/flow.ts';
import { isAgentCookie } from '../../../sdnd/pipeline.ts';
import { ProbeDesk } from '../../../sdnd/topology/probe-desk.ts';
import { probeFlows } from '../../../sdnd/topology/probe-flows.ts';
import type { ProbePeer } from '../../../sdnd/topology/prober.ts';
import { quiet, within } from '../common/members.ts';
import { SocketSwitch } from './socket-switch.ts';

const desks = suite('probe desk');
const folder = mkdtempSync(join(tmpdir(), 'prober-'));

function peer(node: string, address: string): ProbePeer {
  return { node, address, isClose: true };
}

const BETA = peer('beta', '10.77.0.2');
const GAMMA = peer('gamma', '10.77.0.3');

function packetIn(from: string | undefined, data: Uint8Array): Message {
  const words = { bufferId: NO_BUFFER, totalBytes: data.length, reason: 'action', tableId: 0, cookie: 0n } as const;
  const match = { inPort: 1, ...(from !== undefined && { tunIpv4Src: ipv4(from) }) };
  return { type: 'packet-in', ...words, match, data };
}

desks.after(() => rmSync(folder, { recursive: true }));

desks('its flows are there for each peer, under its own id, and follow the peers', async () => {
  const at = new SocketSwitch(folder, 'flows');
  let peers = [BETA, GAMMA];
  const parts = { socket: at.path, heard: () => undefined, clock: realClock, log: quiet };
  const desk = new ProbeDesk({ ...parts, flows: () => probeFlows(peers) });
  const mods = await at.messages('flow-mod', 2);
  assert.equal(await at.messages('nx-set-controller-id', 1), [{ type: 'nx-set-controller-id', controllerId: 2 }]);
  assert.ok(mods.every((mod) => mod.type === 'flow-mod' && isAgentCookie(mod.cookie)));
  await at.messages('barrier-request', 1);
  assert.equal([...at.flows.keys()].sort(), probeFlows(peers).map(flowKey).sort());
  peers = [GAMMA];
  desk.look();
  await at.messages('barrier-request', 2);
  assert.equal([...at.flows.keys()], probeFlows(peers).map(flowKey));
  desk.stop();
  await at.close();
});

desks('a probe goes into the tunnel under the tenant of nobody; what came is told with where from', async () => {
  const at = new SocketSwitch(folder, 'frames');
  const first = Promise.withResolvers<string>();
  const heard = (bytes: Uint8Array, from: string): void => first.resolve(`${Buffer.from(bytes)} of ${from}`);
  const desk = new ProbeDesk({ socket: at.path, flows: () => [], heard, clock: realClock, log: quiet });
  await at.messages('set-config', 1);
  desk.send([{ to: BETA.address, bytes: Buffer.from('ping') }]);
  const [out] = await at.messages('packet-out', 1);
  assert.equal(out?.type === 'packet-out' && out.actions, [
    { type: 'set-field', field: 'tunIpv4Dst', value: ipv4(BETA.address) },
    { type: 'set-field', field: 'tunnelId', value: 0n },
    { type: 'output', port: 1, maxBytes: 0xffff },
  ]);
  at.send(packetIn(undefined, Buffer.from('of no tunnel')));
  at.send(packetIn(GAMMA.address, Buffer.from('pong')));
  assert.is(await within(first.promise), 'pong of 10.77.0.3');
  desk.stop();
  await at.close();
});

desks('after the switch was away everything is there again', async () => {
  const at = new SocketSwitch(folder, 'again');
  const parts = { socket: at.path, heard: () => undefined, clock: realClock, log: quiet };
  const desk = new ProbeDesk({ ...parts, flows: () => probeFlows([BETA]) });
  await at.messages('flow-mod', 1);
  at.drop();
  await at.messages('flow-mod', 1);
  assert.is((await at.messages('nx-set-controller-id', 1)).length, 1);
  desk.stop();
  await at.close();
});

desks.run();
