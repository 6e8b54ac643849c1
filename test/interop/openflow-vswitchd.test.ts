// The codec against a real ovs-vswitchd: an OpenFlow 1.3 connection over its unix socket, flows put in and read back, a
// packet sent through them. Needs Debian's openvswitch-switch.

import { join } from 'node:path';
import {
  applyActions,
  EVERY_FLOW,
  ethAddress,
  type FlowMod,
  FlowModFlag,
  flowMod,
  gotoTable,
  ipv4,
  ipv4Mask,
  NX_RESUBMIT_IN_PORT,
  output,
  PortNumber,
  packetOut,
  regMove,
  setField,
} from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OpenFlowConnection } from './openflow-connection.ts';
import { Vswitch } from './vswitch.ts';

interface Context {
  vswitch: Vswitch;
  connection: OpenFlowConnection;
}

const test = suite<Context>('ovs-vswitchd');

test.before(async (context) => {
  context.vswitch = new Vswitch();
  await context.vswitch.start();
  context.connection = new OpenFlowConnection(join(context.vswitch.folder, 'br0.mgmt'));
  context.connection.send({ type: 'hello', versions: [4] });
  assert.ok((await context.connection.next('hello')).versions.includes(4));
});

test.after(async (context) => {
  context.connection.close();
  await context.vswitch.stop();
});

test('features, description, ports, configuration', async ({ connection }) => {
  connection.send({ type: 'features-request' });
  assert.is((await connection.next('features-reply')).tableCount, 254);
  connection.send({ type: 'multipart-request', more: false, part: 'desc' });
  const desc = await connection.next('multipart-reply');
  assert.is(desc.part === 'desc' && desc.hardware, 'Open vSwitch');
  connection.send({ type: 'multipart-request', more: false, part: 'port-desc' });
  const ports = await connection.next('multipart-reply');
  const names = ports.part === 'port-desc' ? ports.ports.map(({ portNo, name }) => `${name}=${portNo}`) : [];
  assert.equal(names.sort(), ['br0=4294967294', 'p1=1', 'p2=2']);
  await connection.commit({ type: 'set-config', flags: 0, missSendBytes: 0xffff });
  connection.send({ type: 'get-config-request' });
  assert.is((await connection.next('get-config-reply')).missSendBytes, 0xffff);
});

test('role and asynchronous configuration', async ({ connection }) => {
  connection.send({ type: 'role-request', role: 'master', generationId: 5n });
  assert.equal(await connection.next('role-reply'), { type: 'role-reply', role: 'master', generationId: 5n });
  connection.send({ type: 'role-request', role: 'master', generationId: 4n });
  const refused = await connection.next('role-reply').then(
    () => 'accepted',
    (error: Error) => error.message,
  );
  assert.is(refused, 'ROLE_REQUEST_FAILED STALE');
  const all = { master: 7, slave: 7 };
  await connection.commit({ type: 'set-async', packetIn: all, portStatus: all, flowRemoved: { master: 15, slave: 0 } });
  connection.send({ type: 'get-async-request' });
  assert.equal((await connection.next('get-async-reply')).portStatus, all);
});

const mac = ethAddress('02:00:00:00:00:01');

const FLOWS: readonly FlowMod[] = [
  flowMod({
    command: 'add',
    tableId: 3,
    priority: 7,
    cookie: 0x99n,
    flags: FlowModFlag.sendFlowRemoved,
    match: { inPort: 1, ethDst: mac, ethType: 0x0800, ipv4Src: { value: ipv4('10.0.0.0'), mask: ipv4Mask(8) } },
    instructions: [
      applyActions(
        regMove('pktMark', 'tunnelId', 24),
        setField('tunIpv4Dst', ipv4('192.0.2.1')),
        { type: 'nx-reg-load', to: 'reg1', toBit: 4, bits: 8, value: 0xabn },
        output(PortNumber.inPort, 0),
      ),
      { type: 'write-metadata', metadata: 0x50n, mask: 0xf0n },
      gotoTable(4),
    ],
  }),
  flowMod({
    command: 'add',
    tableId: 4,
    match: { tunnelId: { value: 0x100n, mask: 0xff00n }, tunIpv4Src: ipv4('192.0.2.7'), reg3: 5, metadata: 1n },
    instructions: [applyActions({ type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId: 9 })],
  }),
  flowMod({
    command: 'add',
    tableId: 5,
    match: { ethType: 0x0806, arpOp: 2, arpSpa: ipv4('10.1.1.1'), arpSha: mac, pktMark: { value: 1, mask: 3 } },
    instructions: [applyActions(setField('arpTha', mac), regMove('arpSha', 'ethDst', 48), output(2, 0))],
  }),
  flowMod({ command: 'add', tableId: 0, priority: 0, instructions: [applyActions(output(PortNumber.controller))] }),
];

test('flows read back as they were put in', async ({ connection }) => {
  await connection.commit(flowMod({ command: 'delete', tableId: 0xff }), ...FLOWS);
  connection.send({ type: 'multipart-request', more: false, part: 'flow', ...EVERY_FLOW });
  const reply = await connection.next('multipart-reply');
  if (reply.part !== 'flow') throw new Error(`the reply is of ${reply.part}`);
  const byTable = [...reply.flows].sort((a, b) => a.tableId - b.tableId);
  const wanted = [...FLOWS].sort((a, b) => a.tableId - b.tableId);
  assert.is(byTable.length, wanted.length);
  for (const [i, flow] of byTable.entries()) {
    const { tableId, priority, cookie, match, instructions } = flow;
    const sent = wanted[i];
    assert.equal(
      { tableId, priority, cookie, match, instructions },
      {
        tableId: sent?.tableId,
        priority: sent?.priority,
        cookie: sent?.cookie,
        match: sent?.match,
        instructions: sent?.instructions,
      },
    );
  }
});

test('a packet-out comes back as packet-in, with its context', async ({ connection }) => {
  const frame = Uint8Array.from({ length: 60 }, (_, i) => i);
  await connection.commit(
    flowMod({
      command: 'add',
      tableId: 0,
      priority: 10,
      cookie: 0x77n,
      match: { inPort: 2 },
      instructions: [
        applyActions(
          setField('tunnelId', 9n),
          setField('reg2', 6),
          setField('pktMark', 3),
          output(PortNumber.controller),
        ),
      ],
    }),
  );
  connection.send(packetOut(frame, [output(PortNumber.table)], 2));
  const packet = await connection.next('packet-in');
  assert.is(packet.reason, 'action');
  assert.is(packet.cookie, 0x77n);
  assert.equal(packet.match, { inPort: 2, tunnelId: 9n, reg2: 6, pktMark: 3 });
  assert.equal(packet.data, frame);
});

test('a deleted flow is told with its counters', async ({ connection }) => {
  connection.send(flowMod({ command: 'delete', tableId: 3, cookie: 0x99n, cookieMask: 0xffn }));
  const removed = await connection.next('flow-removed');
  assert.is(removed.reason, 'delete');
  assert.equal(removed.match, FLOWS[0]?.match);
});

test('a refused message is told with its error', async ({ connection }) => {
  const bad = flowMod({ command: 'add', match: { tcpDst: 80 } });
  const refused = await connection.commit(bad).then(
    () => 'accepted',
    (error: Error) => error.message,
  );
  assert.is(refused, 'BAD_MATCH BAD_PREREQ');
});

test('a port that goes is told', async ({ connection, vswitch }) => {
  await vswitch.delPort('p1');
  for (;;) {
    const status = await connection.next('port-status');
    if (status.reason !== 'delete') continue;
    assert.is(status.port.name, 'p1');
    return;
  }
});

test.run();
