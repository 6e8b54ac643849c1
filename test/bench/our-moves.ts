// Our measurements: a VM from a fresh boot on a fresh image, so that nothing of it lies at the destination before.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import { runFiles } from '../../hypervisor/qemu/run-directory.ts';
import type { PreparedGuest } from '../../lab/guest/build.ts';
import type { Lab } from '../../lab/lab.ts';
import { bytesBetween, type Leg, Round } from '../../lab/round.ts';
import { GUEST } from '../../lab/topology.ts';
import { clearVm } from './clear-vm.ts';
import { CpuMeter } from './cpu-meter.ts';
import { FROM, perGb, TO } from './move-limits.ts';
import type { Sample, Subject } from './samples.ts';

/** The bytes of a move are counted from the order until a minute after the guest runs: the goal's definition. */
const COUNT_MS = 60_000;
/** A GB at the pull's own rate takes a minute and a half, and eight times that while it stands back. */
const INDEPENDENT_TIMEOUT_MS = 900_000;
const INDEPENDENT_POLL_MS = 500;

type Keep = (subject: Subject, sample: Sample) => void;

export class OurMoves {
  readonly #lab: Lab;
  readonly #guest: PreparedGuest;
  readonly #line: ProgressLine;

  constructor(lab: Lab, guest: PreparedGuest, line: ProgressLine) {
    this.#lab = lab;
    this.#guest = guest;
    this.#line = line;
  }

  /** There, with the pull off: what the move itself costs. */
  pullOff(keep: Keep): Promise<void> {
    return this.#withVm(async (round) => {
      await this.#lab.operator.call('image.pull', { image: GUEST.image, rateBytesPerSecond: 0 });
      keep('ours, pull off', await this.#move(round, TO));
    });
  }

  /** There with the pull at the rate that every image has, and home when all blocks are there. */
  thereAndBack(keep: Keep): Promise<void> {
    return this.#withVm(async (round) => {
      const there = await this.#move(round, TO);
      keep('ours, pull on', { ...there, independentMs: await this.#independent() });
      keep('ours, return, pull on', await this.#move(round, FROM));
    });
  }

  async #withVm(work: (round: Round) => Promise<void>): Promise<void> {
    const round = new Round(this.#lab, this.#guest, this.#line);
    try {
      await round.boot();
      await work(round);
    } finally {
      round.stop();
      await clearVm(this.#lab, GUEST.vm, GUEST.image);
    }
  }

  async #move(round: Round, to: string): Promise<Sample> {
    const { wan } = this.#lab;
    const { perLink: before } = await wan.stats();
    const meters = [new CpuMeter(() => this.#daemons()), new CpuMeter(() => this.#machines())] as const;
    let cost = { daemonsPerGb: 0, qemuPerGb: 0 };
    const atMoved = async (): Promise<void> => {
      const [daemons, qemu] = meters.map((meter) => meter.stop());
      const crossed = bytesBetween(before, (await wan.stats()).perLink, FROM, TO);
      cost = { daemonsPerGb: perGb(daemons ?? 0, crossed), qemuPerGb: perGb(qemu ?? 0, crossed) };
    };
    try {
      const leg = await round.leg(to, { settleMs: COUNT_MS, atMoved });
      return { ...sampleOf(leg), ...cost };
    } finally {
      for (const meter of meters) meter.stop();
    }
  }

  #daemons(): number[] {
    return this.#lab.clouds.flatMap(({ daemons }) => [...daemons.values()].map(({ pid }) => pid));
  }

  /** Our VM's processes, at both ends while it moves. */
  #machines(): number[] {
    const files = this.#lab.clouds.map(({ directories }) => runFiles(join(directories.run, 'vm', GUEST.vm)).pidFile);
    return files.flatMap((file) => pidIn(file) ?? []);
  }

  async #independent(): Promise<number> {
    const endMs = performance.now() + INDEPENDENT_TIMEOUT_MS;
    for (;;) {
      const { migration } = await this.#lab.operator.call('vm.show', { vm: GUEST.vm });
      if (typeof migration?.independentMs === 'number') return migration.independentMs;
      if (performance.now() > endMs) throw new Error(`not independent within ${INDEPENDENT_TIMEOUT_MS / 1_000} s`);
      await sleep(INDEPENDENT_POLL_MS);
    }
  }
}

/** Undefined while there is no such machine. */
function pidIn(file: string): number | undefined {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    // It is made when the machine starts and goes with it.
    return undefined;
  }
}

function sampleOf({ migration, wanBytes, ping, wanWorstLatenessMs, checks, from, to }: Leg): Omit<Sample, 'qemuPerGb'> {
  const tookMs = (step: string): number => migration.stepTimes.find((time) => time.step === step)?.tookMs ?? 0;
  const broken = checks.filter(({ held }) => !held);
  return {
    totalMs: migration.totalMs,
    memoryMs: tookMs('stream') + tookMs('memory') + tookMs('hold'),
    bytes: wanBytes,
    diskBytes: migration.blockBytes + migration.entryBytes,
    pingGapMs: ping.longestGapMs,
    pingGapAtMs: ping.longestGapAtMs,
    worstLatenessMs: wanWorstLatenessMs,
    stepTimes: migration.stepTimes,
    checksNotHeld: broken.map(({ name, seen }) => `${from} -> ${to}: ${name} (${seen})`),
  };
}
