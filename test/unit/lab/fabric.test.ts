// The WAN's middle: where frames go by their addresses, when their buffers come free, and how lateness is counted.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Fabric, FrameReferences } from '../../../lab/wan/fabric.ts';

const SETTINGS = { delayMs: 10, rateMbit: 1000, queueBytes: 1e6, lossPercent: 0, up: true };
const BROADCAST = [255, 255, 255, 255, 255, 255];
const HEADER_AT = 3;

function station(number: number): number[] {
  return [2, 0, 0, 0, 0, number];
}

class Bench {
  readonly references = new FrameReferences(8);
  readonly fabric = new Fabric({ ports: 3, references: this.references, settings: SETTINGS, seed: 1 });

  receive(from: number, destination: number[], source: number[], nowMs = 0): number {
    const frame = this.references.claim();
    this.fabric.receive(from, frame, 100, Uint8Array.from([0, 0, 0, ...destination, ...source]), HEADER_AT, nowMs);
    return frame;
  }

  /** What leaves each port by then. */
  leave(nowMs: number): number[][] {
    return [0, 1, 2].map((port) => {
      const frames: number[] = [];
      for (let frame = this.fabric.take(port, nowMs); frame >= 0; frame = this.fabric.take(port, nowMs)) {
        frames.push(frame);
        this.references.release(frame);
      }
      return frames;
    });
  }
}

test('a broadcast goes to all other ports, once each, and its buffer comes free after the last', () => {
  const bench = new Bench();
  const frame = bench.receive(1, BROADCAST, station(1));
  assert.is(bench.references.available, 7);
  assert.equal(bench.leave(100), [[frame], [], [frame]]);
  assert.is(bench.references.available, 8);
});

test('a known station gets its frames alone; an unknown one is looked for everywhere', () => {
  const bench = new Bench();
  const asked = bench.receive(0, station(2), station(0));
  assert.equal(bench.leave(100), [[], [asked], [asked]]);
  const answer = bench.receive(2, station(0), station(2), 100);
  assert.equal(bench.leave(200), [[answer], [], []]);
  const direct = bench.receive(0, station(2), station(0), 200);
  assert.equal(bench.leave(300), [[], [], [direct]]);
});

test('a station that moves is found at its new port', () => {
  const bench = new Bench();
  bench.receive(0, BROADCAST, station(9));
  bench.receive(2, BROADCAST, station(9), 1);
  bench.leave(100);
  const frame = bench.receive(1, station(9), station(1), 100);
  assert.equal(bench.leave(200), [[], [], [frame]]);
});

test('a frame to a station on its own port goes nowhere', () => {
  const bench = new Bench();
  bench.receive(0, BROADCAST, station(4));
  bench.leave(100);
  bench.receive(0, station(4), station(5), 100);
  assert.equal(bench.leave(200), [[], [], []]);
  assert.is(bench.references.available, 8);
});

test('one direction alone is cut, and the buffers on it come free', () => {
  const bench = new Bench();
  const frame = bench.receive(0, BROADCAST, station(0));
  bench.fabric.configure(0, 2, { up: false }, 1);
  assert.equal(bench.leave(100), [[], [frame], []]);
  assert.is(bench.references.available, 8);
  const back = bench.receive(2, station(0), station(2), 100);
  assert.equal(bench.leave(200), [[back], [], []]);
  const lost = bench.fabric.statistics().find(({ from, to }) => from === 0 && to === 2)?.lost;
  assert.is(lost, 1);
});

test('the next departure is the earliest of all links, and lateness is counted from it', () => {
  const bench = new Bench();
  assert.is(bench.fabric.nextDueMs(), Number.POSITIVE_INFINITY);
  bench.fabric.configure(0, 1, { delayMs: 5 }, 0);
  bench.receive(0, BROADCAST, station(0));
  const due = bench.fabric.nextDueMs();
  assert.ok(Math.abs(due - 5.0008) < 1e-9, String(due));
  bench.leave(due + 2);
  assert.ok(Math.abs(bench.fabric.lateness.worstLatenessMs - 2) < 1e-9);
  bench.fabric.resetLateness();
  assert.equal(bench.fabric.lateness, { worstLatenessMs: 0, meanLatenessMs: 0, departures: 0 });
});

test('buffers run out and a double release is our own mistake', () => {
  const references = new FrameReferences(1);
  const frame = references.claim();
  assert.is(references.claim(), -1);
  references.retain(frame);
  references.release(frame);
  assert.is(references.available, 0);
  references.release(frame);
  assert.throws(() => references.release(frame), /released twice/);
});

test('a link that is not there is refused', () => {
  assert.throws(() => new Bench().fabric.configure(0, 3, {}, 0), /no link 0 -> 3/);
});

test.run();
