// The overlay's controller at scale: a thousand switches, two hundred networks of five hundred VMs over 20 to 40 nodes each.
// How long a first set-up takes, how long until all is known to be right after the controller was killed, what one migration
// costs, and what it costs to keep watch. Everything that it makes it removes.
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { realDisk } from '../../common/disk/disk.ts';
import { OperationError } from '../../common/errors.ts';
import { Journal } from '../../common/journal/journal.ts';
import { jsonText, writeJsonFile } from '../../common/terminal/json-file.ts';
import { formatBytes, type ProgressLine } from '../../common/terminal/progress.ts';
import { OverlayRecord } from '../../sdnd/controller/overlay-record.ts';
import { onDisk } from '../scratch.ts';
import { BenchProcess } from './scale/bench-process.ts';
import type { ControllerAnswers, ControllerFigures, ControllerQuestion } from './scale/controller-program.ts';
import { OverlayPlan, type OverlayShape, type PlannedMove } from './scale/overlay-plan.ts';
import { describe, goalsOf, type MoveResult, type Phase, type Result, tell } from './scale/scale-report.ts';
import type { SwitchesAnswers, SwitchesQuestion } from './scale/switches-program.ts';

const SWITCHES = fileURLToPath(new URL('scale/switches-program.ts', import.meta.url));
const CONTROLLER = fileURLToPath(new URL('scale/controller-program.ts', import.meta.url));
const SEED = 1;
const MOVES = 20;
/** Twelve million entries are in the one process that plays all switches. */
const SWITCHES_HEAP_MB = 12_288;
/** Nothing is waited for longer. */
const PHASE_MS_MAX = 30 * 60_000;
const LOOK_EVERY_MS = 250;
/** Of a migration the last flow-mods, those of the old place's end, come after so long. */
const DEPARTED_MS = 6_000;
const WATCH_MS = 20_000;
const DROPPED = 10;
const QUICK = { nodes: 100, networks: 20, vms: 100 };

/** The command's options. */
export interface OverlayScaleOptions {
  readonly nodes: number;
  readonly networks: number;
  readonly vms: number;
  readonly quick?: true;
  readonly json?: string | true;
}

type Controller = BenchProcess<ControllerQuestion, ControllerAnswers>;
type Switches = BenchProcess<SwitchesQuestion, SwitchesAnswers>;

class Stand {
  readonly plan: OverlayPlan;
  readonly switches: Switches;
  readonly #directory: string;
  /** By tenant: nodes to which one of its VMs has moved. */
  readonly #wentTo = new Map<number, string[]>();
  #controller: Controller | undefined;

  constructor(directory: string, shape: OverlayShape) {
    this.#directory = directory;
    this.plan = new OverlayPlan(shape);
    const words = [join(directory, 'switches.sock'), JSON.stringify(shape)];
    this.switches = new BenchProcess('switches', SWITCHES, words, [`--max-old-space-size=${SWITCHES_HEAP_MB}`]);
  }

  get controller(): Controller {
    this.#controller ??= new BenchProcess('controller', CONTROLLER, [
      join(this.#directory, 'switches.sock'),
      join(this.#directory, 'overlay.journal'),
    ]);
    return this.#controller;
  }

  async writeJournal(): Promise<void> {
    const { journal } = await Journal.open(realDisk, join(this.#directory, 'overlay.journal'), OverlayRecord);
    await journal.rewrite(this.plan.records());
    await journal.close();
  }

  /** Until the controller has compared every switch and changed what differed. */
  async converge(name: string, update: (detail: string) => void): Promise<Phase> {
    const startedMs = performance.now();
    for (;;) {
      const controller = await this.controller.ask({ kind: 'figures' });
      const tookMs = performance.now() - startedMs;
      if (controller.compared >= this.plan.members.length) {
        const switches = await this.switches.ask({ kind: 'figures' });
        return { name, tookMs, controller, cpuSeconds: controller.cpuSeconds, switches };
      }
      if (tookMs > PHASE_MS_MAX) throw new OperationError('BENCH_TOO_SLOW', `${name} is not over after ${tookMs} ms`);
      update(`${controller.compared} switches, ${formatBytes(controller.rssBytes)}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  async reset(): Promise<ControllerFigures> {
    await this.switches.ask({ kind: 'reset' });
    await this.controller.ask({ kind: 'reset' });
    return this.controller.ask({ kind: 'figures' });
  }

  async during(name: string, work: () => Promise<unknown>): Promise<Phase> {
    const before = await this.reset();
    const startedMs = performance.now();
    await work();
    const tookMs = performance.now() - startedMs;
    const controller = await this.controller.ask({ kind: 'figures' });
    const switches = await this.switches.ask({ kind: 'figures' });
    return { name, tookMs, controller, cpuSeconds: controller.cpuSeconds - before.cpuSeconds, switches };
  }

  async move(planned: PlannedMove, index: number): Promise<MoveResult> {
    const { to, isNewNode } = planned;
    const from = this.plan.bindings.find(({ owner }) => owner === to.owner)?.node;
    const migration = index.toString(16).padStart(16, '0');
    let figures = { prepareMs: 0, completeMs: 0 };
    const { cpuSeconds, switches } = await this.during(migration, async () => {
      figures = await this.controller.ask({ kind: 'move', migration, to });
      await sleep(DEPARTED_MS);
    });
    const tenant = to.tenant ?? 0;
    const held = this.plan.nodesOf.get(tenant)?.map((number) => `node${number}`);
    const own = new Set([...(held ?? []), ...(this.#wentTo.get(tenant) ?? []), to.node, from]);
    this.#wentTo.set(tenant, [...(this.#wentTo.get(tenant) ?? []), to.node]);
    const strange = switches.changed.filter((node) => !own.has(node));
    return { isNewNode, ...figures, cpuSeconds, mods: switches.mods, changed: switches.changed.length, strange };
  }

  async crash(): Promise<void> {
    await this.#controller?.kill();
    this.#controller = undefined;
  }

  async end(): Promise<void> {
    await this.crash();
    await this.switches.kill();
  }
}

async function measure(stand: Stand, shape: OverlayShape, line: ProgressLine): Promise<Result> {
  const phase = async (name: string): Promise<Phase> => {
    const done = await line.during(name, () => stand.converge(name, (detail) => line.update({ detail })));
    // A run takes long: what is known of it is told as it comes.
    process.stderr.write(`${describe(done)}\n`);
    return done;
  };
  await line.during('the journal', () => stand.writeJournal());
  const first = await phase('first set-up');
  await stand.crash();
  await stand.switches.ask({ kind: 'reset' });
  const again = await phase('controller killed, started again');
  const watch = await line.during('watch', () => stand.during('watch', () => sleep(WATCH_MS)));
  const moves: MoveResult[] = [];
  for (const [index, planned] of stand.plan.moves.entries())
    moves.push(await line.during(`move of ${planned.to.owner}`, () => stand.move(planned, index)));
  const repairMs = await line.during('entries are lost', () => repair(stand));
  return { shape, phases: [first, again, watch], moves, repairMs };
}

/** Entries of one switch go; until it has been sent as many. */
async function repair({ switches }: Stand): Promise<number> {
  await switches.ask({ kind: 'reset' });
  const startedMs = performance.now();
  await switches.ask({ kind: 'drop', number: 0, entries: DROPPED });
  while (performance.now() - startedMs < PHASE_MS_MAX) {
    if ((await switches.ask({ kind: 'figures' })).mods >= DROPPED) break;
    await sleep(LOOK_EVERY_MS / 10);
  }
  return performance.now() - startedMs;
}

/** Runs the benchmark, prints it, and answers whether its goals were reached. */
export async function benchOverlayScale(options: OverlayScaleOptions, line: ProgressLine): Promise<boolean> {
  const { nodes, networks, vms } = { ...options, ...(options.quick === true ? QUICK : {}) };
  const shape: OverlayShape = { nodes, networks, vms, moves: Math.min(MOVES, vms), seed: SEED };
  const directory = await mkdtemp(join(onDisk(), 'bench-overlay-scale-'));
  const stand = new Stand(directory, shape);
  const removeAll = async (): Promise<void> => {
    await stand.end();
    await rm(directory, { recursive: true, force: true });
  };
  const onSignal = (): void => void removeAll().finally(() => process.exit(1));
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const result = await measure(stand, shape, line);
    const goals = goalsOf(result, stand.plan);
    if (options.json === true) process.stdout.write(jsonText({ ...result, goals }));
    else tell(result, goals);
    if (typeof options.json === 'string') writeJsonFile(options.json, { ...result, goals });
    return goals.every(({ reached }) => reached);
  } finally {
    await removeAll();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}
