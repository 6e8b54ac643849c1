// Messages that ovs-ofctl built, read by the codec: ovs-ofctl talks to a small switch made of the codec alone, and what it
// sends is compared with what it was told to send. The largest test goes round: random flows, our bytes, Open vSwitch's
// text, Open vSwitch's bytes, our flows. Needs Debian's openvswitch-common.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  applyActions,
  encode,
  GroupNumber,
  gotoTable,
  ipv4,
  type Message,
  MessageReader,
  NO_BUFFER,
  NX_RESUBMIT_IN_PORT,
  output,
  PortNumber,
  regMove,
  setField,
} from '@openflow/ofp';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Random } from '../unit/openflow/random.ts';
import { randomFlow } from './random-flows.ts';

const OFCTL_TIMEOUT_MS = 60_000;

interface Context {
  folder: string;
  server: Server;
  received: Message[];
  bad: unknown[];
}

const test = suite<Context>('ovs-ofctl against a switch made of the codec');

test.before.each(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'ofctl-'));
  context.received = [];
  context.bad = [];
  context.server = createServer((socket) => serve(socket, context));
  await new Promise<void>((resolve) => context.server.listen(socketPath(context), resolve));
});

test.after.each((context) => {
  context.server.close();
  rmSync(context.folder, { recursive: true });
});

function socketPath(context: Context): string {
  return join(context.folder, 'switch');
}

function serve(socket: Socket, context: Context): void {
  const reader = new MessageReader();
  socket.on('error', (error) => context.bad.push(error));
  socket.on('data', (chunk) => {
    for (const result of reader.push(chunk)) {
      if (result.kind === 'bad') context.bad.push(result);
      else {
        context.received.push(result.message);
        for (const answer of answers(result.message)) socket.write(encode(answer, result.xid));
      }
    }
  });
}

function answers(message: Message): Message[] {
  switch (message.type) {
    case 'hello':
      return [{ type: 'hello', versions: [4] }];
    case 'echo-request':
      return [{ type: 'echo-reply', data: message.data }];
    case 'barrier-request':
      return [{ type: 'barrier-reply' }];
    case 'multipart-request':
      return message.part === 'flow' ? [{ type: 'multipart-reply', more: false, part: 'flow', flows: [] }] : [];
    default:
      return [];
  }
}

function ofctl(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      'ovs-ofctl',
      ['-O', 'OpenFlow13', '--no-names', ...args],
      { timeout: OFCTL_TIMEOUT_MS },
      (error, out, err) =>
        error ? reject(new Error(`ovs-ofctl ${args.join(' ')}: ${err}`, { cause: error })) : resolve(out),
    );
  });
}

/** Runs an ovs-ofctl command against the switch; answers what it sent, less hellos and barriers. */
async function send(context: Context, command: string, ...args: readonly string[]): Promise<Message[]> {
  await ofctl([command, `unix:${socketPath(context)}`, ...args]);
  assert.equal(context.bad, []);
  const noise: readonly string[] = ['hello', 'barrier-request', 'echo-request'];
  return context.received.filter((message) => !noise.includes(message.type));
}

test('add-flow', async (context) => {
  const flow =
    'table=3,priority=7,cookie=0x99,idle_timeout=5,hard_timeout=6,send_flow_rem,in_port=1,reg0=0x5/0xff,' +
    'ct_state=+trk+est,ip,nw_src=1.2.3.0/24,actions=move:NXM_NX_PKT_MARK[]->NXM_NX_TUN_ID[0..31],' +
    'load:5->NXM_NX_REG1[0..3],resubmit(,4),note:11.22,set_field:2->tun_id,dec_ttl,IN_PORT,controller,goto_table:5';
  assert.equal(await send(context, 'add-flow', flow), [
    {
      type: 'flow-mod',
      command: 'add',
      tableId: 3,
      priority: 7,
      cookie: 0x99n,
      cookieMask: 0n,
      idleTimeoutSec: 5,
      hardTimeoutSec: 6,
      bufferId: NO_BUFFER,
      // Not what the specification would write, but of no meaning in an add.
      outPort: PortNumber.any,
      outGroup: GroupNumber.any,
      flags: 1,
      match: {
        inPort: 1,
        reg0: { value: 5, mask: 0xff },
        ctState: { value: 0x22, mask: 0x22 },
        ethType: 0x0800,
        ipv4Src: { value: ipv4('1.2.3.0'), mask: ipv4('255.255.255.0') },
      },
      instructions: [
        applyActions(
          regMove('pktMark', 'tunnelId', 32),
          { type: 'nx-reg-load', to: 'reg1', toBit: 0, bits: 4, value: 5n },
          { type: 'nx-resubmit-table', inPort: NX_RESUBMIT_IN_PORT, tableId: 4 },
          { type: 'nx-note', note: Uint8Array.of(0x11, 0x22, 0, 0, 0, 0) },
          setField('tunnelId', 2n),
          { type: 'dec-nw-ttl' },
          output(PortNumber.inPort, 0),
          output(PortNumber.controller),
        ),
        gotoTable(5),
      ],
    },
  ]);
});

test('packet-out', async (context) => {
  const sent = await send(context, 'packet-out', 'in_port=2,packet=ffffffffffff0200000000010806,actions=output:3');
  const data = Uint8Array.of(255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6);
  assert.equal(sent, [{ type: 'packet-out', bufferId: NO_BUFFER, inPort: 2, actions: [output(3, 0)], data }]);
});

test('add-group', async (context) => {
  const sent = await send(
    context,
    'add-group',
    'group_id=2,type=select,bucket=weight:3,output:3,bucket=weight:4,output:4',
  );
  const bucket = { watchPort: PortNumber.any, watchGroup: GroupNumber.any };
  assert.equal(sent, [
    {
      type: 'group-mod',
      command: 'add',
      groupType: 'select',
      groupId: 2,
      buckets: [3, 4].map((number) => ({ ...bucket, weight: number, actions: [output(number, 0)] })),
    },
  ]);
});

test('add-meter', async (context) => {
  const sent = await send(context, 'add-meter', 'meter=2,kbps,burst,band=type=drop,rate=3,burst_size=9');
  const bands = [{ type: 'drop', rate: 3, burst: 9 }];
  assert.equal(sent, [{ type: 'meter-mod', command: 'add', flags: 5, meterId: 2, bands }]);
});

test('dump-flows asks for what it was told', async (context) => {
  const sent = await send(context, 'dump-flows', 'table=1,cookie=5/-1,out_port=3,reg0=2');
  assert.equal(sent, [
    {
      type: 'multipart-request',
      more: false,
      part: 'flow',
      tableId: 1,
      outPort: 3,
      outGroup: GroupNumber.any,
      cookie: 5n,
      cookieMask: 0xffff_ffff_ffff_ffffn,
      match: { reg0: 2 },
    },
  ]);
});

const FLOWS = 2000;
const FLOWS_PER_MESSAGE = 50;

test('2000 random flows come back the same from Open vSwitch', async (context) => {
  const random = new Random(7);
  const flows = Array.from({ length: FLOWS }, () => randomFlow(random));
  const messages: Uint8Array[] = [];
  for (let at = 0; at < FLOWS; at += FLOWS_PER_MESSAGE) {
    const part = flows.slice(at, at + FLOWS_PER_MESSAGE);
    messages.push(encode({ type: 'multipart-reply', more: false, part: 'flow', flows: part }, at));
  }
  writeFileSync(join(context.folder, 'stream'), Buffer.concat(messages));
  const printed = await ofctl(['ofp-parse', join(context.folder, 'stream')]);
  const lines = printed.split('\n').filter((line) => line.startsWith(' cookie='));
  assert.is(lines.length, FLOWS, printed.slice(0, 2000));
  writeFileSync(join(context.folder, 'flows'), lines.join('\n'));

  const sent = await send(context, 'add-flows', join(context.folder, 'flows'));
  assert.is(sent.length, FLOWS);
  for (const [i, flow] of flows.entries()) {
    const message = sent[i];
    if (message?.type !== 'flow-mod') throw new Error(`message ${i} is ${message?.type}`);
    const { match, instructions, priority, cookie, tableId, idleTimeoutSec, hardTimeoutSec, flags } = message;
    const came = { match, instructions, priority, cookie, tableId, idleTimeoutSec, hardTimeoutSec, flags };
    const went = Object.fromEntries(Object.keys(came).map((key) => [key, flow[key as keyof typeof came]]));
    assert.equal(came, went, lines[i]);
  }
});

test.run();
