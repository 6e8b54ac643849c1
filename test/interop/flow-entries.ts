// The entries of real switches, by which it is seen that nobody has touched them: each has its age by the switch's own count,
// and what it counted. Not a test itself.
import * as assert from 'uvu/assert';
import { NODES, type NodeName, type ThreeSwitches } from './three-switches.ts';

export interface Entry {
  /** It was made between these two moments: its age before the switch was asked, and before it had told. */
  readonly bornMs: readonly [number, number];
  readonly packets: number;
}

const LINE = /cookie=(\S+), duration=([\d.]+)s, (table=\d+), n_packets=(\d+), n_bytes=\d+, (?:idle_age=\d+, )?(.*)/;

/** Those of all switches, by node and what they say. */
export async function allEntries(net: ThreeSwitches): Promise<Map<string, Entry>> {
  const all = await Promise.all(NODES.map((node) => entriesOf(net, node)));
  return new Map(all.flat());
}

async function entriesOf(net: ThreeSwitches, node: NodeName): Promise<(readonly [string, Entry])[]> {
  const askedMs = performance.now();
  const text = await net.switch(node).ofctl('dump-flows', []);
  const toldMs = performance.now();
  return text.split('\n').flatMap((line) => {
    const found = LINE.exec(line);
    if (found === null) return [];
    const [, cookie, seconds, table, packets, rest] = found;
    const ageMs = Number(seconds) * 1_000;
    const bornMs = [askedMs - ageMs, toldMs - ageMs] as const;
    return [[`${node} ${table} ${cookie} ${rest}`, { bornMs, packets: Number(packets) }] as const];
  });
}

/** Nothing was taken away, nothing came, and nothing was made anew: each entry is as old as before, and has counted on. */
export function assertUntouched(before: ReadonlyMap<string, Entry>, after: ReadonlyMap<string, Entry>): void {
  assert.equal([...after.keys()].sort(), [...before.keys()].sort());
  for (const [key, { bornMs, packets }] of after) {
    const was = before.get(key);
    assert.ok(bornMs[0] <= (was?.bornMs[1] ?? 0), `${key} was made anew`);
    assert.ok(packets >= (was?.packets ?? 0), `${key} has forgotten what it counted`);
  }
}
