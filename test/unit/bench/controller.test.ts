// The benchmark of controllers: its switches say and count what they should, and its verdict judges by medians.
import { decode, encode, flowMod, type Message, NO_BUFFER, output, packetOut } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ControllerName } from '../../bench/controller-peers.ts';
import {
  CONTROLLER_CASES,
  type ControllerResult,
  type ControllerSample,
  controllerVerdicts,
} from '../../bench/controller-verdict.ts';
import { EmulatedSwitch, HOSTS, PORTS } from '../../bench/emulated-switch.ts';

function messagesOf(bytes: Buffer): Message[] {
  const all: Message[] = [];
  for (let at = 0; at < bytes.length; ) {
    const result = decode(bytes.subarray(at));
    if (result.kind !== 'message') throw new Error(`at ${at}: ${result.kind}`);
    all.push(result.message);
    at += result.bytes;
  }
  return all;
}

function places(bytes: Buffer): { inPort: number | undefined; from: string; to: string; bufferId: number }[] {
  return messagesOf(bytes).map((message) => {
    if (message.type !== 'packet-in') throw new Error(message.type);
    const hex = Buffer.from(message.data).toString('hex');
    return { inPort: message.match.inPort, to: hex.slice(0, 12), from: hex.slice(12, 24), bufferId: message.bufferId };
  });
}

test('every host announces itself at its port, and sends to hosts at other ports', () => {
  const one = new EmulatedSwitch(3, true);
  const portOf = new Map(places(one.announcements()).map(({ from, inPort }) => [from, inPort]));
  assert.is(portOf.size, HOSTS);
  assert.is(new Set(portOf.values()).size, PORTS);
  const frames = places(one.frames(2_000));
  for (const { from, to, inPort } of frames) {
    assert.is(portOf.get(from), inPort);
    assert.not.equal(portOf.get(to), inPort);
    assert.ok(portOf.has(to));
  }
  assert.is(new Set(frames.map(({ bufferId }) => bufferId)).size, 2_000);
});

test('it counts what answers a frame, and answers what is asked, however the bytes come', () => {
  for (const isBuffered of [true, false]) {
    const one = new EmulatedSwitch(0, isBuffered);
    const bufferId = isBuffered ? 9 : NO_BUFFER;
    const frame = new Uint8Array(64);
    const said = Buffer.concat([
      encode({ type: 'barrier-request' }, 5),
      encode(flowMod({ command: 'add', bufferId }), 6),
      encode(packetOut(frame, [output(1)]), 7),
      encode(packetOut(frame, [output(1)], 2), 8),
    ]);
    let responses = 0;
    const out: Uint8Array[] = [];
    for (const byte of said) {
      const taken = one.take(Buffer.of(byte));
      responses += taken.responses;
      out.push(...taken.out);
    }
    assert.is(responses, 1, `buffered: ${isBuffered}`);
    assert.is(one.flowMods, 1);
    assert.equal(messagesOf(Buffer.concat(out)), [{ type: 'barrier-reply' }]);
  }
});

function sample(perCpuSecond: number, p50Us: number, flowMods = 1): ControllerSample {
  return { perSecond: perCpuSecond, perCpuSecond, p50Us, p99Us: p50Us, flowMods, clientShare: 0 };
}

function result(caseName: string, ours: ControllerSample, peer: ControllerSample): ControllerResult {
  const load = CONTROLLER_CASES.find(({ name }) => name === caseName);
  if (load === undefined) throw new Error(caseName);
  const samples = new Map<ControllerName, ControllerSample[]>([
    ['supercloud', [sample(1e9, 1, ours.flowMods), ours, sample(1, 1e9, ours.flowMods)]],
    ['ovs-testcontroller', [peer]],
  ]);
  return { load, samples };
}

function reached(one: ControllerResult): boolean[] {
  return controllerVerdicts([one]).map((verdict) => verdict.reached);
}

test('required are twice the rate and at most 1.25 times the latency, of the medians', () => {
  assert.equal(reached(result('latency-1', sample(200, 125), sample(100, 100))), [true, true]);
  assert.equal(reached(result('latency-1', sample(199, 126), sample(100, 100))), [false, false]);
  assert.equal(reached(result('throughput-16', sample(200, Number.NaN), sample(100, Number.NaN))), [true]);
});

test('an answer without an entry is no answer, and what was not measured is not reached', () => {
  assert.equal(reached(result('throughput-16', sample(200, Number.NaN, 0.5), sample(100, Number.NaN))), [true, false]);
  const [load] = CONTROLLER_CASES;
  assert.ok(load);
  assert.equal(reached({ load, samples: new Map() }).filter(Boolean), []);
});

test.run();
