// What a switch says in a session, changed at random: its own session ends or goes on, and nothing of it is thrown out of the
// controller, makes it say much, or touches the switch beside it.
import { EventEmitter } from 'node:events';
import {
  type EthAddress,
  encode,
  ethAddress,
  type FlowRemoved,
  type Message,
  NO_BUFFER,
  PortNumber,
} from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LoneConnection } from '../../../../sdnd/alone/lone-connection.ts';
import { LoneController } from '../../../../sdnd/alone/lone-controller.ts';
import { LONE_COOKIE, Priority } from '../../../../sdnd/alone/lone-flows.ts';
import type { LoneSocket } from '../../../../sdnd/alone/lone-socket.ts';
import type { MeshSwitch } from '../../../../sdnd/alone/mesh-switch.ts';
import type { Flow } from '../../../../sdnd/flow.ts';
import { fuzzInputs, fuzzSeed } from '../../../fuzz-inputs.ts';
import { seededRandom } from '../../common/seeded-random.ts';
import { CodecSwitch, portOf } from '../switch-made-of-codec.ts';

const SESSIONS = 2_000;
const SAYS_MAX = 24;
const CHANGES_MAX = 4;
const STEP_MS = 300;
const HONEST_ID = 1n;
const FUZZED_ID = 7n;
/** What a controller may have said to one of them in a session: its flows, probes, answers and floods. */
const SAID_BYTES_MAX = 2 ** 22;
const BY_LENGTHS_AT = 2;
/** Of hosts that no change of a few bits makes out of another's. */
const hostOf = (hex: string): Buffer => Buffer.from(hex, 'hex');
const [ANNA, BERT, CARL] = [hostOf('52a1c3f00f11'), hostOf('5e5c3a0ff0ee'), hostOf('02f00d4711aa')];
const [DORA, EMIL] = [hostOf('ae3311c05577'), hostOf('f6ccee3f9a88')];

type Random = () => number;

function addressOf(bytes: Buffer): EthAddress {
  return ethAddress(bytes.toString('hex').replace(/..(?=.)/g, '$&:'));
}

function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

/** The end of a socket that LoneConnection has. */
class Wire extends EventEmitter {
  readonly socket = this;
  unreadBytes = 0;
  isOver = false;
  saidBytes = 0;
  readonly #take: (bytes: Buffer) => void;

  constructor(take: (bytes: Buffer) => void) {
    super();
    this.#take = take;
  }

  send(bytes: Buffer): void {
    this.saidBytes += bytes.length;
    this.#take(Buffer.from(bytes));
  }

  resume = (): void => undefined;
  pause = (): void => undefined;
  setTimeout = (): void => undefined;
  destroy = (): void => undefined;
  destroySoon(): void {
    this.isOver = true;
  }
}

/** A connection whose switch hears and speaks in turns: what is sent while it speaks is heard afterwards. */
class Line {
  readonly wire: Wire;
  readonly peer = new CodecSwitch([portOf('a', 1), portOf('b', 2)]);
  readonly connection: LoneConnection;
  receive: (bytes: Buffer) => void = () => undefined;
  member: MeshSwitch | undefined;
  readonly #heard: Buffer[] = [];
  readonly #id: bigint;

  constructor(controller: LoneController, id: bigint, now: () => number) {
    this.#id = id;
    this.wire = new Wire((bytes) => this.#heard.push(bytes));
    const { wire } = this;
    const own = (receive: (bytes: Buffer) => void) => {
      this.receive = receive;
      return wire as unknown as LoneSocket;
    };
    this.connection = new LoneConnection(own, now, {
      ready: (datapathId, ports) => {
        this.member = controller.join(datapathId, this.connection, ports, now());
        if (this.member === undefined) this.connection.close('taken');
      },
      port: (reason, port) => this.member && controller.port(this.member, reason, port, now()),
      packet: (packet) => this.member && controller.packetIn(this.member, packet, now()),
      removed: (flow) => this.member && controller.flowRemoved(this.member, flow),
      garbled: () => undefined,
      closed: (reason) => this.member && controller.leave(this.member, reason, now()),
    });
  }

  /** What the switch answers to all that it was sent since. */
  async answers(): Promise<Buffer[]> {
    // What is to be sent goes out at the end of the turn.
    await Promise.resolve();
    const answers = this.#heard.splice(0).flatMap((bytes) => this.peer.receive(bytes));
    return answers.map((bytes) => this.#withId(Buffer.from(bytes)));
  }

  #withId(bytes: Buffer): Buffer {
    const isFeatures = bytes[1] === 6;
    if (isFeatures) bytes.writeBigUInt64BE(this.#id, 8);
    return bytes;
  }
}

function frame(to: Buffer, from: Buffer): Buffer {
  return Buffer.concat([to, from, Buffer.from('0800', 'hex'), Buffer.alloc(50, 1)]);
}

function packetIn(inPort: number, data: Uint8Array): Message {
  const what = { bufferId: NO_BUFFER, totalBytes: data.length, reason: 'no-match', tableId: 0, cookie: 0n } as const;
  return { type: 'packet-in', ...what, match: { inPort }, data };
}

const REMOVED: Omit<FlowRemoved, 'match'> = {
  ...{
    type: 'flow-removed',
    cookie: LONE_COOKIE,
    priority: Priority.pair,
    reason: 'idle-timeout',
    tableId: 0,
    durationSec: 1,
  },
  ...{ durationNsec: 0, idleTimeoutSec: 60, hardTimeoutSec: 0, packetCount: 1n, byteCount: 64n },
};

/** What a switch may say at any time. */
const SAYINGS: readonly Message[] = [
  packetIn(1, frame(CARL, CARL)),
  packetIn(2, frame(Buffer.alloc(6, 0xff), CARL)),
  packetIn(9, frame(BERT, CARL)),
  packetIn(PortNumber.local, new Uint8Array(3)),
  { type: 'port-status', reason: 'add', port: portOf('c', 3) },
  { type: 'port-status', reason: 'modify', port: { ...portOf('a', 1), state: 1 } },
  { type: 'port-status', reason: 'delete', port: portOf('b', 2) },
  { ...REMOVED, match: { inPort: 1, ethDst: addressOf(BERT), ethSrc: addressOf(ANNA) } },
  { type: 'error', errorType: 5, errorCode: 1, data: new Uint8Array(64) },
  { type: 'echo-request', data: new Uint8Array(9) },
  { type: 'barrier-reply' },
  { type: 'multipart-reply', part: 'port-desc', more: true, ports: [portOf('d', 4)] },
  { type: 'multipart-reply', part: 'flow', more: false, flows: [] },
  { type: 'hello', versions: [4] },
];

/** Some messages left out, doubled or exchanged, then bytes of them changed. */
function changed(random: Random, messages: Buffer[]): Buffer {
  const all = [...messages];
  const at = below(random, all.length);
  const kind = random();
  if (kind < 0.1) all.splice(at, 1);
  else if (kind < 0.2) all.splice(at, 0, ...all.slice(at, at + 2));
  else if (kind < 0.3) all.reverse();
  const bytes = Buffer.concat(all);
  if (bytes.length === 0 || random() < 0.5) return bytes;
  for (let count = below(random, CHANGES_MAX + 1); count > 0; count--) {
    // Near the beginning are the header's type and length.
    const place = random() < 0.3 ? BY_LENGTHS_AT - 1 + below(random, 3) : below(random, bytes.length);
    bytes[place] = random() < 0.5 ? below(random, 256) : (bytes[place] ?? 0) ^ (1 << below(random, 8));
  }
  return random() < 0.1 ? bytes.subarray(0, below(random, bytes.length)) : bytes;
}

/** In pieces, each in memory of its own that is overwritten afterwards, as the one buffer of all sockets is. */
function hear(random: Random, line: Line, bytes: Buffer): void {
  for (let at = 0; at < bytes.length && !line.wire.isOver; ) {
    const length = 1 + below(random, random() < 0.5 ? 20 : 4_096);
    const piece = Buffer.from(bytes.subarray(at, at + length));
    line.receive(piece);
    piece.fill(0xee);
    at += length;
  }
}

class World {
  nowMs = 0;
  readonly controller: LoneController;
  readonly honest: Line;

  constructor(random: Random) {
    const tell = (): void => undefined;
    this.controller = new LoneController({ now: () => this.nowMs, random, missesPerSecond: 100, tell });
    this.honest = this.line(HONEST_ID);
  }

  line(id: bigint): Line {
    return new Line(this.controller, id, () => this.nowMs);
  }

  pass(): void {
    this.nowMs += STEP_MS;
    this.controller.tick(this.nowMs);
  }

  async serve(): Promise<void> {
    for (let answers = await this.honest.answers(); answers.length > 0; answers = await this.honest.answers()) {
      for (const answer of answers) this.honest.receive(answer);
    }
  }

  async begin(): Promise<void> {
    this.honest.receive(Buffer.from(this.honest.peer.hello()));
    for (let step = 0; step < 20; step++) {
      await this.serve();
      this.pass();
    }
    await this.meet(ANNA, BERT);
  }

  say(message: Message): void {
    this.honest.receive(Buffer.from(encode(message, 5)));
  }

  /** The two hosts speak to one another at the ports 1 and 2. */
  async meet(one: Buffer, other: Buffer): Promise<void> {
    this.say(packetIn(2, frame(one, other)));
    this.say(packetIn(1, frame(other, one)));
    this.say(packetIn(2, frame(one, other)));
    await this.serve();
  }

  /** Whether a frame between two hosts at the switch that nobody harms goes from port to port, and nowhere else. */
  carries(one: Buffer, other: Buffer): boolean {
    const ways = [
      { inPort: 1, from: one, to: other, outPort: 2 },
      { inPort: 2, from: other, to: one, outPort: 1 },
    ];
    return ways.every(({ inPort, from, to, outPort }) => {
      const found = this.#flows.filter(
        ({ match: { ethSrc, ethDst, inPort: port } }) =>
          port === inPort && ethSrc === addressOf(from) && ethDst === addressOf(to),
      );
      return found.length === 1 && String(outPortsOf(found[0])) === `${outPort}`;
    });
  }

  /** All its entries that are for no pair of hosts, in words: whatever they are, they are the same afterwards. */
  get others(): string[] {
    const words = ({ tableId, priority, match, instructions }: Flow): string =>
      JSON.stringify([tableId, priority, match, instructions], (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}` : value,
      );
    return this.#flows
      .filter(({ priority }) => priority !== Priority.pair)
      .map(words)
      .sort();
  }

  get #flows(): Flow[] {
    return [...this.honest.peer.flows.values()];
  }
}

function outPortsOf(flow: Flow | undefined): number[] {
  const actions = (flow?.instructions ?? []).flatMap((one) => (one.type === 'apply-actions' ? one.actions : []));
  return actions.map((action) => (action.type === 'output' ? action.port : Number.NaN));
}

async function runSession(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const world = new World(random);
  await world.begin();
  assert.ok(world.carries(ANNA, BERT), 'it carries before anything is changed');
  const { others } = world;
  const line = world.line(FUZZED_ID);
  const { saidBytes } = world.honest.wire;
  const isLate = random() < 0.7;
  hear(random, line, Buffer.from(line.peer.hello()));
  for (let step = 0; step < 6 && !line.wire.isOver; step++) {
    const answers = await line.answers();
    hear(random, line, isLate ? Buffer.concat(answers) : changed(random, answers));
    world.pass();
  }
  for (let says = below(random, SAYS_MAX); says > 0 && !line.wire.isOver; says--) {
    const own = Array.from({ length: 1 + below(random, 3) }, () =>
      Buffer.from(encode(SAYINGS[below(random, SAYINGS.length)] as Message, below(random, 12))),
    );
    const answers = await line.answers();
    hear(random, line, changed(random, [...answers, ...own]));
    await world.serve();
    world.pass();
    line.connection.tick();
    world.honest.connection.tick();
  }
  await world.serve();
  if (random() < 0.5) line.connection.close('the test ends');
  await world.serve();
  assert.not.ok(world.honest.wire.isOver, 'the other session goes on');
  assert.ok(world.carries(ANNA, BERT), 'the other switch carries as before');
  assert.equal(world.others, others);
  await world.meet(DORA, EMIL);
  assert.ok(world.carries(DORA, EMIL), 'and takes new hosts');
  assert.ok(line.wire.saidBytes < SAID_BYTES_MAX, `${line.wire.saidBytes} bytes said to the changed one`);
  assert.ok(world.honest.wire.saidBytes - saidBytes < SAID_BYTES_MAX, 'bytes said to the other');
}

test('a switch that says what it should not harms itself alone', async () => {
  const first = fuzzSeed();
  const sessions = fuzzInputs(SESSIONS);
  for (let seed = first; seed < first + sessions; seed++) {
    try {
      await runSession(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : error}`);
    }
  }
});

test.run();
