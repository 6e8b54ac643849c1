// What is written from a copy is what the codec writes.
import { encode, NO_BUFFER, output, PortNumber, packetOut } from '@openflow/ofp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ENTRY_BYTES, FRAME_HEAD_BYTES, writeEntry, writeFrame } from '../../../../sdnd/alone/hop-bytes.ts';
import { hopMod } from '../../../../sdnd/alone/lone-flows.ts';
import { MeshSwitch } from '../../../../sdnd/alone/mesh-switch.ts';
import { decodePortProbe, encodePortProbe, PROBE_NUMBERS } from '../../../../sdnd/alone/port-probe.ts';
import { Prng } from '../../../sim/prng.ts';

const at = new MeshSwitch(1n);
const random = new Prng(1);

test('an entry', () => {
  for (let i = 0; i < 500; i += 1) {
    const ends = { from: random.integer(2 ** 48), to: random.integer(2 ** 48) };
    const hop = {
      at,
      inPort: 1 + random.integer(PortNumber.max),
      outPort: 1 + random.integer(PortNumber.max),
      ...ends,
    };
    const bufferId = random.chance(0.5) ? NO_BUFFER : random.integer(2 ** 32);
    const into = Buffer.alloc(ENTRY_BYTES + 3, 0xee);
    writeEntry(into, 3, i, hop, bufferId);
    assert.equal(new Uint8Array(into.subarray(3)), encode(hopMod(hop, bufferId), i));
  }
});

test('a frame', () => {
  for (let i = 0; i < 500; i += 1) {
    const data = Uint8Array.from({ length: random.integer(1_600) }, () => random.integer(256));
    const way = { inPort: random.integer(2 ** 32), outPort: random.integer(2 ** 32) };
    const into = Buffer.alloc(FRAME_HEAD_BYTES + data.length + 3, 0xee);
    writeFrame(into, 3, i, data, way);
    assert.equal(new Uint8Array(into.subarray(3)), encode(packetOut(data, [output(way.outPort)], way.inPort), i));
  }
});

test('a probe comes back as its number, and nothing else does', () => {
  for (let i = 0; i < 500; i += 1) {
    const number = random.integer(PROBE_NUMBERS);
    const frame = encodePortProbe(number, 7n, 3);
    assert.is(decodePortProbe(frame), number);
    assert.is(decodePortProbe(frame.subarray(0, random.integer(24))), undefined);
    const other = frame.slice();
    const place = [0, 12, 13, 14, 15, 16, 17][random.integer(7)] ?? 0;
    other[place] = (other[place] ?? 0) ^ 0xff;
    assert.is(decodePortProbe(other), undefined);
  }
});

test.run();
