// What a real ovs-vswitchd answers to the whole of the codec: every multipart part, groups, meters, connection tracking,
// bundles, packets that wait for the controller. Needs Debian's openvswitch-switch.
import { join } from 'node:path';
import {
  type Action,
  applyActions,
  BundleFlag,
  CtFlag,
  EVERY_FLOW,
  encode,
  type FlowMod,
  flowMod,
  GroupNumber,
  type Message,
  MeterFlag,
  MeterNumber,
  type MultipartReply,
  type MultipartRequest,
  NatFlag,
  output,
  PortNumber,
  packetOut,
  QUEUE_ALL,
  TABLE_ALL,
} from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OpenFlowConnection } from './openflow-connection.ts';
import { Vswitch } from './vswitch.ts';

interface Context {
  vswitch: Vswitch;
  connection: OpenFlowConnection;
}

const test = suite<Context>('ovs-vswitchd, the whole codec');

test.before(async (context) => {
  context.vswitch = new Vswitch();
  await context.vswitch.start();
  context.connection = new OpenFlowConnection(join(context.vswitch.folder, 'br0.mgmt'));
  context.connection.send({ type: 'hello', versions: [4] });
  await context.connection.next('hello');
});

test.after(async (context) => {
  context.connection.close();
  await context.vswitch.stop();
});

/** The messages of one reply. */
async function ask(connection: OpenFlowConnection, request: MultipartRequest): Promise<MultipartReply[]> {
  connection.send(request);
  const replies: MultipartReply[] = [];
  do replies.push(await connection.next('multipart-reply'));
  while (replies.at(-1)?.more === true);
  return replies;
}

const request = { type: 'multipart-request', more: false } as const;

test('every part is answered in kind', async ({ connection }) => {
  const requests: readonly MultipartRequest[] = [
    { ...request, part: 'desc' },
    { ...request, part: 'flow', ...EVERY_FLOW },
    { ...request, part: 'aggregate', ...EVERY_FLOW },
    { ...request, part: 'table' },
    { ...request, part: 'port-stats', portNo: PortNumber.any },
    { ...request, part: 'queue-stats', portNo: PortNumber.any, queueId: QUEUE_ALL },
    { ...request, part: 'group-stats', groupId: GroupNumber.all },
    { ...request, part: 'group-desc' },
    { ...request, part: 'group-features' },
    { ...request, part: 'meter-stats', meterId: MeterNumber.all },
    { ...request, part: 'meter-config', meterId: MeterNumber.all },
    { ...request, part: 'meter-features' },
    { ...request, part: 'port-desc' },
  ];
  for (const asked of requests) {
    const replies = await ask(connection, asked);
    assert.ok(
      replies.every(({ part }) => part === asked.part),
      asked.part,
    );
  }
});

test('features of all its tables', async ({ connection }) => {
  const replies = await ask(connection, { ...request, part: 'table-features', tables: [] });
  const tables = replies.flatMap((reply) => (reply.part === 'table-features' ? reply.tables : []));
  assert.is(tables.length, 254);
  const [first] = tables;
  const kinds = new Set(first?.properties.map(({ type }) => type));
  const wanted = ['instructions', 'next-tables', 'write-actions', 'apply-actions', 'match', 'wildcards'];
  assert.equal(
    wanted.filter((kind) => !kinds.has(kind as never)),
    [],
  );
  const match = first?.properties.find(({ type }) => type === 'match');
  const fields = match?.type === 'match' ? match.fields : [];
  const named = new Map(fields.flatMap((id) => ('field' in id ? [[id.field, id.masked] as const] : [])));
  assert.equal(
    [named.get('inPort'), named.get('ethDst'), named.get('ctState'), named.get('xxreg3')],
    [false, true, true, true],
  );
});

const ip = { ethType: 0x0800 } as const;

const FLOWS: readonly FlowMod[] = [
  withActions(1, ip, {
    type: 'nx-ct',
    flags: CtFlag.commit,
    zone: { field: 'reg4', bit: 0, bits: 16 },
    recircTable: 20,
    alg: 0,
    actions: [
      {
        type: 'nx-nat',
        flags: NatFlag.source,
        addresses: { family: 'ipv4', min: 0x0a000001, max: 0x0a000009 },
        ports: { min: 1000, max: 2000 },
      },
      { type: 'set-field', field: 'ctMark', value: 7 },
    ],
  }),
  withActions(
    2,
    { ...ip, ctState: { value: 0x22, mask: 0x32 }, ctNwDst: 0x0a000001 },
    { type: 'nx-ct-clear' },
    output(1, 0),
  ),
  withActions(
    3,
    { reg0: 5, tunFlags: { value: 1, mask: 1 } },
    { type: 'nx-stack-push', field: 'reg2', bit: 4, bits: 8 },
  ),
  withActions(4, ip, { type: 'nx-clone', actions: [{ type: 'dec-nw-ttl' }, output(2, 0)] }),
  withActions(
    5,
    { ...ip, ipProto: 6, tcpFlags: { value: 2, mask: 2 } },
    { type: 'nx-conjunction', id: 9, clause: 0, clauses: 2 },
  ),
];

function withActions(tableId: number, match: FlowMod['match'], ...actions: Action[]): FlowMod {
  return flowMod({ command: 'add', tableId, match, instructions: [applyActions(...actions)] });
}

async function flowsOf(connection: OpenFlowConnection): Promise<Pick<FlowMod, 'tableId' | 'match' | 'instructions'>[]> {
  const replies = await ask(connection, { ...request, part: 'flow', ...EVERY_FLOW });
  return replies
    .flatMap((reply) => (reply.part === 'flow' ? reply.flows : []))
    .map(({ tableId, match, instructions }) => ({ tableId, match, instructions }))
    .sort((a, b) => a.tableId - b.tableId);
}

test('flows with connection tracking, stacks and clones read back as they were put in', async ({ connection }) => {
  await connection.commit(flowMod({ command: 'delete', tableId: TABLE_ALL }), ...FLOWS);
  const wanted = FLOWS.map(({ tableId, match, instructions }) => ({ tableId, match, instructions }));
  assert.equal(await flowsOf(connection), wanted);
});

test('groups and meters read back as they were put in', async ({ connection }) => {
  const any = { watchPort: PortNumber.any, watchGroup: GroupNumber.any };
  const group = {
    groupType: 'select',
    groupId: 5,
    buckets: [
      { ...any, weight: 10, actions: [output(1, 0)] },
      { ...any, weight: 20, actions: [{ type: 'dec-nw-ttl' }, output(2, 0)] },
    ],
  } as const;
  const meter = {
    flags: MeterFlag.kbps + MeterFlag.burst + MeterFlag.stats,
    meterId: 3,
    bands: [{ type: 'drop', rate: 100, burst: 50 }],
  } as const;
  await connection.commit(
    { type: 'group-mod', command: 'add', ...group },
    { type: 'meter-mod', command: 'add', ...meter },
  );
  const [groups] = await ask(connection, { ...request, part: 'group-desc' });
  assert.equal(groups?.part === 'group-desc' && groups.groups, [group]);
  const [meters] = await ask(connection, { ...request, part: 'meter-config', meterId: 3 });
  assert.equal(meters?.part === 'meter-config' && meters.meters, [meter]);
  const [stats] = await ask(connection, { ...request, part: 'group-stats', groupId: 5 });
  assert.is(stats?.part === 'group-stats' && stats.groups[0]?.buckets.length, 2);
});

/** What the commit of a bundle of the messages is answered by: 'commit-reply', or the errors' names. */
async function bundle(
  connection: OpenFlowConnection,
  bundleId: number,
  messages: readonly Message[],
): Promise<readonly string[]> {
  const flags = BundleFlag.atomic + BundleFlag.ordered;
  const none = new Uint8Array(0);
  const control = (type: 'open-request' | 'commit-request'): void => {
    connection.send({ type: 'onf-bundle-control', bundleId, control: type, flags, properties: none });
  };
  control('open-request');
  await connection.next('onf-bundle-control');
  for (const message of messages) {
    connection.send((xid) => ({
      type: 'onf-bundle-add',
      bundleId,
      flags,
      message: encode(message, xid),
      properties: none,
    }));
  }
  control('commit-request');
  const first = await answerOf(connection);
  // The message that failed has its own error, and then the bundle.
  return first === 'commit-reply' ? [first] : [first, await answerOf(connection)];
}

function answerOf(connection: OpenFlowConnection): Promise<string> {
  return connection.next('onf-bundle-control').then(
    ({ control: answer }) => answer,
    (error: Error) => error.message,
  );
}

test('a bundle is taken whole, or not at all', async ({ connection }) => {
  const flows = [6, 7].map((tableId) => withActions(tableId, { inPort: 1 }, output(2, 0)));
  assert.equal(await bundle(connection, 1, flows), ['commit-reply']);
  assert.is((await flowsOf(connection)).length, FLOWS.length + 2);
  const wrong = [withActions(8, { inPort: 1 }, output(2, 0)), withActions(9, {}, { type: 'group', groupId: 99 })];
  assert.equal(await bundle(connection, 2, wrong), ['BAD_ACTION BAD_OUT_GROUP', 'BUNDLE_FAILED MSG_FAILED']);
  assert.is((await flowsOf(connection)).length, FLOWS.length + 2);
});

test('a packet waits for the controller and goes on with what it brought', async ({ connection }) => {
  await connection.commit(
    { type: 'nx-set-packet-in-format', format: 'nxt-packet-in2' },
    { type: 'nx-set-controller-id', controllerId: 7 },
    { type: 'nx-set-async-config2', wishes: [{ message: 'packet-in', role: 'master', reasons: 7 }] },
    withActions(
      0,
      { inPort: 1 },
      { type: 'nx-controller2', controllerId: 7, userdata: Uint8Array.of(1, 2, 3), pause: true },
      { type: 'nx-controller2', controllerId: 7, userdata: Uint8Array.of(4) },
    ),
  );
  const frame = Uint8Array.from({ length: 60 }, (_, i) => i);
  connection.send(packetOut(frame, [output(PortNumber.table)], 1));
  const paused = await connection.next('nx-packet-in2');
  assert.equal([paused.userdata, paused.data, paused.metadata?.inPort], [Uint8Array.of(1, 2, 3), frame, 1]);
  assert.ok(paused.continuation !== undefined);
  connection.send({ ...paused, type: 'nx-resume' });
  const resumed = await connection.next('nx-packet-in2');
  assert.equal([resumed.userdata, resumed.continuation], [Uint8Array.of(4), undefined]);
});

test('options of tunnels are mapped to fields', async ({ connection }) => {
  const mappings = [{ optionClass: 0xffff, optionType: 3, optionBytes: 8, index: 4 }];
  await connection.commit(
    { type: 'nx-tlv-table-mod', command: 'add', mappings },
    { type: 'nx-ct-flush-zone', zone: 5 },
  );
  connection.send({ type: 'nx-tlv-table-request' });
  const reply = await connection.next('nx-tlv-table-reply');
  assert.equal(reply.mappings, mappings);
});

test('queues of a port', async ({ connection }) => {
  connection.send({ type: 'queue-get-config-request', portNo: 1 });
  const queues = [{ queueId: 0, portNo: 1, properties: [] }];
  assert.equal(await connection.next('queue-get-config-reply'), { type: 'queue-get-config-reply', portNo: 1, queues });
});

test.run();
