// All switches of `bench overlay-scale`, a process of its own: each has a connection with the controller's socket, comes again
// when that ends, and keeps its flow table meanwhile, as Open vSwitch does.
import { connect } from 'node:net';
import { answerQuestions } from './bench-process.ts';
import { nodeName, OverlayPlan, type OverlayShape } from './overlay-plan.ts';
import { OverlaySwitch, type SwitchCounts } from './overlay-switch.ts';

/** As soon as Open vSwitch tries again (its first pause). */
const AGAIN_MS = 1_000;

export type SwitchesQuestion =
  | { readonly kind: 'figures' }
  /** From here on counts begin at 0. */
  | { readonly kind: 'reset' }
  /** So many entries of that switch are gone. */
  | { readonly kind: 'drop'; readonly number: number; readonly entries: number };

export interface SwitchesFigures extends SwitchCounts {
  readonly connected: number;
  /** Entries of all, and of the switch with most and with fewest. */
  readonly flows: number;
  readonly flowsMost: number;
  readonly flowsLeast: number;
  /** Switches that were sent a flow-mod. */
  readonly changed: readonly string[];
  /** Of the last flow-mod, since 1970; 0 before one. */
  readonly lastModMs: number;
}

export type SwitchesAnswers = { figures: SwitchesFigures; reset: null; drop: null };

const [path = '', shape = '{}'] = process.argv.slice(2);
const plan = new OverlayPlan(JSON.parse(shape) as OverlayShape);
const switches = plan.members.map(({ node }, number) => new OverlaySwitch(number, plan.portsOf(node)));
let connected = 0;
let lastModMs = 0;

function connectSwitch(one: OverlaySwitch): void {
  const socket = connect(path);
  let isConnected = false;
  socket.on('connect', () => {
    isConnected = true;
    connected += 1;
    socket.write(one.hello());
  });
  socket.on('data', (chunk) => {
    const before = one.counts.mods;
    socket.cork();
    for (const answer of one.take(chunk)) socket.write(answer);
    socket.uncork();
    if (one.counts.mods > before) lastModMs = Date.now();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    if (isConnected) connected -= 1;
    setTimeout(() => connectSwitch(one), AGAIN_MS);
  });
}

function figures(): SwitchesFigures {
  const sum = (name: keyof SwitchCounts): number => switches.reduce((all, { counts }) => all + counts[name], 0);
  const sizes = switches.map(({ table }) => table.size);
  return {
    connected,
    flows: sizes.reduce((all, size) => all + size, 0),
    flowsMost: Math.max(...sizes),
    flowsLeast: Math.min(...sizes),
    changed: switches.flatMap(({ counts }, number) => (counts.mods > 0 ? [nodeName(number)] : [])),
    lastModMs,
    ...{ mods: sum('mods'), reads: sum('reads'), counts: sum('counts') },
    ...{ bytesIn: sum('bytesIn'), bytesOut: sum('bytesOut') },
  };
}

answerQuestions<SwitchesQuestion>((question) => {
  if (question.kind === 'figures') return figures();
  if (question.kind === 'drop') switches[question.number]?.table.drop(question.entries);
  else
    for (const { counts } of switches) Object.assign(counts, { mods: 0, reads: 0, counts: 0, bytesIn: 0, bytesOut: 0 });
  return null;
});
for (const one of switches) connectSwitch(one);
