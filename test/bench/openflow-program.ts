// What it costs to write and to read the three messages that a controller is busy with, beside the least that a program could
// do that knows their places by heart. `node test/bench/openflow-program.ts` prints messages per second of one processor.
import {
  applyActions,
  decode,
  encode,
  ethAddress,
  flowMod,
  gotoTable,
  type Message,
  output,
  packetOut,
  setField,
} from '@openflow/ofp';

const MESSAGES = 100_000;
const ROUNDS = 7;

const FRAME = new Uint8Array(64);

const FLOW_MOD = flowMod({
  command: 'add',
  tableId: 1,
  priority: 100,
  match: { inPort: 3, ethDst: ethAddress('02:00:00:00:00:01'), ethType: 0x0800, ipv4Dst: 0x0a000001 },
  instructions: [applyActions(setField('tunnelId', 5n), setField('tunIpv4Dst', 0x0a000002), output(7)), gotoTable(2)],
});

const SUBJECTS: Readonly<Record<string, Message>> = {
  'packet-in': {
    type: 'packet-in',
    bufferId: 0xffff_ffff,
    totalBytes: FRAME.length,
    reason: 'no-match',
    tableId: 0,
    cookie: 0n,
    match: { inPort: 3 },
    data: FRAME,
  },
  'flow-mod': FLOW_MOD,
  'packet-out': packetOut(FRAME, [output(3)], 1),
};

/** The best of some rounds, in messages per second of processor time. */
function rate(step: (i: number) => number): number {
  let best = 0;
  let sum = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const started = process.cpuUsage();
    for (let i = 0; i < MESSAGES; i++) sum += step(i);
    const { user, system } = process.cpuUsage(started);
    best = Math.max(best, MESSAGES / ((user + system) / 1e6));
  }
  // The sum is used, so that no step is left out.
  return sum === 0 ? 0 : best;
}

/** The least: a copy of a message made before, with three numbers of its own put in; no check, no type. */
function leastWriting(bytes: Uint8Array): (i: number) => number {
  return (i) => {
    const made = bytes.slice();
    const view = new DataView(made.buffer);
    view.setUint32(4, i);
    view.setUint32(made.length - 16, i);
    view.setUint32(made.length - 8, i);
    return made.length;
  };
}

/** The least: every 32 bits of a message as a number of an object, and its last bytes as a view. */
function leastReading(bytes: Uint8Array): (i: number) => number {
  return () => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const head = { xid: view.getUint32(4), first: view.getUint32(8), second: view.getUint32(12), numbers: [0] };
    for (let at = 16; at + 4 <= Math.min(bytes.length, 160); at += 4) head.numbers.push(view.getUint32(at));
    return head.numbers.length + bytes.subarray(bytes.length - 8).length;
  };
}

function line(words: readonly (string | number)[]): string {
  return words
    .map((word, i) =>
      String(word)
        .padStart(i === 0 ? 0 : 14)
        .padEnd(i === 0 ? 12 : 14),
    )
    .join('');
}

console.log(line(['1000/s', 'written', 'least', 'read', 'least']));
for (const [name, message] of Object.entries(SUBJECTS)) {
  const bytes = encode(message, 1);
  const rates = [
    rate((i) => encode(message, i).length),
    rate(leastWriting(bytes)),
    rate(() => {
      const result = decode(bytes);
      return result.kind === 'message' ? result.bytes : 0;
    }),
    rate(leastReading(bytes)),
  ];
  console.log(line([name, ...rates.map((one) => Math.round(one / 1000))]));
}
