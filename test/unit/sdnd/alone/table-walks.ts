// Walks what the tables of all switches say at one moment: where a flood from any host's port goes, and where a pair's entries
// lead. Wires count as they are, not as the controller knows them. Not a test itself.
import { PortNumber } from '@openflow/ofp';
import type { End, SimSwitch } from './mesh-world.ts';
import type { FrameHead } from './sim-datapath.ts';

const FLOOD: FrameHead = { ethDst: 'ff:ff:ff:ff:ff:ff', ethSrc: '02:00:00:00:00:ff', ethType: 0x0800 };

/** @throws Error where a flood comes to some port twice */
export function walkFloods(switches: readonly SimSwitch[], nowMs: number): void {
  for (const at of switches) {
    for (const [port, { far }] of at.ports) if (typeof far === 'number') walkFlood({ at, port }, nowMs);
  }
}

function walkFlood(from: End, nowMs: number): void {
  const seen = new Set<string>();
  const open = [from];
  for (let end = open.pop(); end !== undefined; end = open.pop()) {
    const key = keyOf(end);
    if (seen.has(key)) throw new Error(`a flood from ${keyOf(from)} comes to ${key} again at ${nowMs} ms`);
    seen.add(key);
    open.push(...nextEnds(end, FLOOD, nowMs));
  }
}

/** @throws Error where a frame of the pair would go round, from whichever port it begins */
export function walkPair(switches: readonly SimSwitch[], pair: Omit<FrameHead, 'ethType'>, nowMs: number): void {
  const head = { ...pair, ethType: 0x0800 };
  for (const at of switches) {
    for (const { match } of at.datapath.entries) {
      if (match.ethSrc !== pair.ethSrc || match.ethDst !== pair.ethDst || match.inPort === undefined) continue;
      const seen = new Set<string>();
      for (
        let end: End | undefined = { at, port: match.inPort };
        end !== undefined;
        [end] = nextEnds(end, head, nowMs)
      ) {
        if (seen.has(keyOf(end)))
          throw new Error(`${pair.ethSrc} to ${pair.ethDst} goes round by ${keyOf(end)} at ${nowMs} ms`);
        seen.add(keyOf(end));
      }
    }
  }
}

function keyOf({ at, port }: End): string {
  return `${at.id}/${port}`;
}

function nextEnds({ at, port }: End, head: FrameHead, nowMs: number): End[] {
  const outputs = at.datapath.outputs(head, port, nowMs).filter((out) => out !== PortNumber.controller);
  return outputs.flatMap((out) => {
    const wire = at.ports.get(out);
    return wire?.isUp === true && typeof wire.far === 'object' ? [wire.far] : [];
  });
}
