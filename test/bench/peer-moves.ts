// The peer's measurements: plain QEMU, from a fresh boot in one cloud to the next.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProgressLine } from '../../common/terminal/progress.ts';
import type { PreparedGuest } from '../../lab/guest/build.ts';
import type { Lab } from '../../lab/lab.ts';
import { bytesBetween } from '../../lab/round.ts';
import { PingProbe } from '../../lab/visitor/ping-probe.ts';
import { CpuMeter } from './cpu-meter.ts';
import { DOWNTIME_LIMIT_MS, FROM, MAX_BANDWIDTH_BYTES_PER_SECOND, perGb, TO } from './move-limits.ts';
import { PLAIN_ADDRESS, type PlainOptions, PlainQemu } from './plain-qemu.ts';
import type { Sample, Subject } from './samples.ts';

/** Some pings before the order, so that the gap is one in a stream. */
const BEFORE_MS = 1_000;
/** Nothing of the peer's crosses once its guest runs: a few seconds catch the tail that ours is given a minute for. */
const TAIL_MS = 5_000;

export class PeerMoves {
  readonly #lab: Lab;
  readonly #guest: PreparedGuest;
  readonly #line: ProgressLine;

  constructor(lab: Lab, guest: PreparedGuest, line: ProgressLine) {
    this.#lab = lab;
    this.#guest = guest;
    this.#line = line;
  }

  /** Boots, moves, and keeps what it cost. */
  async move(
    subject: Subject,
    disk: PlainOptions['disk'],
    keep: (subject: Subject, sample: Sample) => void,
  ): Promise<void> {
    const plain = new PlainQemu(this.#lab, this.#guest, {
      disk,
      memoryMB: this.#guest.memoryMB,
      maxBandwidthBytesPerSecond: MAX_BANDWIDTH_BYTES_PER_SECOND,
      downtimeLimitMs: DOWNTIME_LIMIT_MS,
    });
    try {
      keep(subject, await this.#line.during(`measure ${subject}`, () => this.#measure(plain)));
    } finally {
      await plain.stop();
    }
  }

  async #measure(plain: PlainQemu): Promise<Sample> {
    await plain.boot(FROM);
    const ping = new PingProbe(this.#lab.visitorNamespace, PLAIN_ADDRESS);
    try {
      await sleep(BEFORE_MS);
      return await this.#moved(plain, ping);
    } finally {
      ping.stop();
    }
  }

  async #moved(plain: PlainQemu, ping: PingProbe): Promise<Sample> {
    const { wan } = this.#lab;
    await plain.await(TO);
    await wan.resetLateness();
    ping.mark();
    const { perLink: before } = await wan.stats();
    const meter = new CpuMeter(() => plain.pids);
    try {
      const times = await plain.move();
      const qemuSeconds = meter.stop();
      const crossed = bytesBetween(before, (await wan.stats()).perLink, FROM, TO);
      await sleep(TAIL_MS);
      const { perLink, worstLatenessMs } = await wan.stats();
      const bytes = bytesBetween(before, perLink, FROM, TO);
      const { longestGapMs: pingGapMs, longestGapAtMs: pingGapAtMs } = ping.mark();
      return {
        ...times,
        bytes,
        pingGapMs,
        pingGapAtMs,
        qemuPerGb: perGb(qemuSeconds, crossed),
        worstLatenessMs,
        checksNotHeld: [],
      };
    } finally {
      meter.stop();
    }
  }
}
