// The round: a VM boots in the first cloud and is moved, live, to each other and home, while its user goes on using
// it. What is measured is what the user felt and what the links carried; every check says what it looked at.
import { OperationError } from '../common/errors.ts';
import type { ProgressLine } from '../common/terminal/progress.ts';
import type { MigrationState } from '../wire/contracts/cluster-state.ts';
import type { PreparedGuest } from './guest/build.ts';
import { READY_LINE } from './guest/command-line.ts';
import { type GuestStatus, guestProblems } from './guest/status.ts';
import type { Lab } from './lab.ts';
import { type Check, type OutsideFigures, OutsideProbe, outsideChecks } from './outside-probe.ts';
import { GUEST, GUEST_MTU_BYTES, PREFIX } from './topology.ts';
import type { EchoFigures } from './visitor/echo-probe.ts';
import { type PingFigures, PingProbe } from './visitor/ping-probe.ts';
import { Visitor } from './visitor/visitor.ts';
import type { WanStatistics } from './wan/wan.ts';

/** Figures are taken this long after the VM runs at its new place: the first misses and retransmissions are in them. */
export const SETTLE_MS = 5_000;
const BOOT_TIMEOUT_MS = 120_000;
const BOOT_POLL_MS = 500;

/** One leg's figures. Times in ms, bytes as the emulated links counted them. */
export interface Leg {
  readonly from: string;
  readonly to: string;
  readonly migration: MigrationState;
  readonly ping: PingFigures;
  readonly tcp: EchoFigures;
  /** Absent while the Internet is not used. */
  readonly outside?: OutsideFigures;
  readonly wanBytes: number;
  readonly wanWorstLatenessMs: number;
  readonly guest: GuestStatus;
  readonly checks: readonly Check[];
}

export interface LegOptions {
  readonly settleMs?: number;
  /** Waited for as soon as the order was answered. */
  readonly atMoved?: () => Promise<void>;
}

/** The VM and its user, from boot to the end of the lab. */
export class Round {
  readonly #lab: Lab;
  readonly #guest: PreparedGuest;
  readonly #line: ProgressLine;
  readonly #visitor: Visitor;
  #ping: PingProbe | undefined;
  #outside: OutsideProbe | undefined;
  #bootId = '';

  constructor(lab: Lab, guest: PreparedGuest, line: ProgressLine) {
    this.#lab = lab;
    this.#guest = guest;
    this.#line = line;
    this.#visitor = new Visitor(lab.visitorNamespace, GUEST.address);
  }

  get visitor(): Visitor {
    return this.#visitor;
  }

  /** Makes the image, boots the VM and waits until its user can use it. */
  async boot(sshPublicKey?: string): Promise<void> {
    const [home] = this.#lab.topology.clouds;
    if (home === undefined) throw new TypeError('the topology has no cloud');
    await this.#createImage(home.node);
    const key = sshPublicKey === undefined ? {} : { sshPublicKey };
    const commandLine = this.#guest.commandLine({
      ...(this.#guest.kind === 'tiny'
        ? { address: 'dhcp' }
        : { address: `${GUEST.address}/${PREFIX}`, gateway: GUEST.router, nameServer: GUEST.router }),
      ...{ mtuBytes: GUEST_MTU_BYTES, name: GUEST.vm },
      ...key,
    });
    const { kernel, initrd, memoryMB } = this.#guest;
    this.#line.begin(`boot VM ${GUEST.vm} in ${home.cloud}`);
    try {
      const boot = { kernel, initrd, commandLine };
      const size = { memoryMB, cpus: 1, ip: GUEST.address };
      await this.#lab.operator.call('vm.create', {
        vm: GUEST.vm,
        cloud: home.cloud,
        image: GUEST.image,
        boot,
        ...size,
      });
      await this.#ready();
    } catch (error) {
      this.#line.fail();
      throw error;
    }
    this.#line.end();
  }

  async #createImage(node: string): Promise<void> {
    this.#line.begin(`image ${GUEST.image} into blockd at ${node}`);
    try {
      const made = { image: GUEST.image, node, path: this.#guest.diskImage };
      await this.#lab.operator.call('image.create', made, { onProgress: (progress) => this.#line.update(progress) });
    } catch (error) {
      this.#line.fail();
      throw error;
    }
    this.#line.end();
  }

  async #ready(): Promise<void> {
    const endMs = performance.now() + BOOT_TIMEOUT_MS;
    for (;;) {
      const { text } = await this.#lab.operator.call('vm.console', { vm: GUEST.vm });
      if (text.includes(READY_LINE)) break;
      if (performance.now() > endMs) {
        throw new OperationError('GUEST_NOT_READY', `VM ${GUEST.vm} was not ready within ${BOOT_TIMEOUT_MS / 1000} s`, {
          remedy: `the end of its console:\n${text.slice(-400)}`,
        });
      }
      this.#line.update({ detail: text.trimEnd().split('\n').at(-1) ?? '' });
      await new Promise((resolve) => setTimeout(resolve, BOOT_POLL_MS));
    }
    await this.#visitor.connect();
    this.#ping = new PingProbe(this.#lab.visitorNamespace, GUEST.address);
    this.#bootId = (await this.#visitor.ask('status')).bootId;
  }

  /** From now on the guest uses the Internet, and is called from there, where the map has one. */
  async useInternet(): Promise<void> {
    const { outside } = this.#lab;
    if (outside === undefined) return;
    const probe = new OutsideProbe(outside);
    this.#outside = probe;
    const doing = `${GUEST.vm} uses the Internet, as ${outside.address}`;
    await this.#line.during(doing, () => probe.start((line) => this.#visitor.ask(line)));
  }

  /** Moves the VM to a cloud and answers what that cost until some time after it ran there, and what was checked. */
  async leg(to: string, { settleMs = SETTLE_MS, atMoved }: LegOptions = {}): Promise<Leg> {
    const before = await this.#visitor.ask(this.#outside?.order ?? 'status');
    await this.#outside?.mark();
    const linksBefore = (await this.#lab.wan.stats()).perLink;
    await this.#lab.wan.resetLateness();
    await this.#visitor.mark();
    this.#ping?.mark();
    const moved = await this.#migrate(to);
    await atMoved?.();
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    const wan = await this.#lab.wan.stats();
    const [tcp, ping, guest] = [await this.#visitor.mark(), this.#ping?.mark(), await this.#visitor.ask('status')];
    const { migration } = await this.#lab.operator.call('vm.show', { vm: GUEST.vm });
    if (ping === undefined || migration === null) throw new TypeError('a leg begins after the boot');
    const { from } = moved;
    const outside = await this.#outside?.figures(before, guest);
    const checks = await this.#check(to, before, guest, tcp);
    return {
      ...{ from, to, migration, ping, tcp, guest },
      ...(outside !== undefined && { outside }),
      wanBytes: bytesBetween(linksBefore, wan.perLink, this.#lab.wanPort(from), this.#lab.wanPort(to)),
      wanWorstLatenessMs: wan.worstLatenessMs,
      checks: [...checks, ...this.#checkOutside(outside)],
    };
  }

  async #migrate(to: string): Promise<MigrationState> {
    this.#line.begin(`migrate ${GUEST.vm} to ${to}`);
    try {
      const moved = await this.#lab.operator.call(
        'vm.migrate',
        { vm: GUEST.vm, to },
        {
          onProgress: ({ step, memoryBytes, remainingBytes }) => {
            const bytes = { doneBytes: memoryBytes, totalBytes: memoryBytes + remainingBytes };
            this.#line.update({ detail: step, ...(step === 'memory' ? bytes : {}) });
          },
        },
      );
      this.#line.end();
      return moved;
    } catch (error) {
      this.#line.fail();
      throw error;
    }
  }

  async #check(to: string, before: GuestStatus, guest: GuestStatus, tcp: EchoFigures): Promise<Check[]> {
    const vm = await this.#lab.operator.call('vm.show', { vm: GUEST.vm });
    const { switches } = await this.#lab.operator.call('network.verify', {});
    const differences = switches.flatMap(({ node, differences: words }) => words.map((word) => `${node}: ${word}`));
    const page = await this.#visitor.page().catch((error: unknown) => String(error));
    const problems = guestProblems(guest);
    const records = `${guest.verified - before.verified} verified, ${guest.bad} bad`;
    return [
      {
        name: 'runs at the destination',
        held: vm.cloud === to && vm.state === 'running',
        seen: `${vm.cloud}, ${vm.state}`,
      },
      { name: 'same boot', held: guest.bootId === this.#bootId, seen: guest.bootId },
      {
        name: 'disk and memory whole',
        held: problems.length === 0 && guest.verified > before.verified,
        seen: [records, ...problems].join(', '),
      },
      {
        name: 'connection kept',
        held: tcp.lost === '' && tcp.wrong === 0 && tcp.echoed > 0,
        seen: tcp.lost || `${tcp.echoed} echoes, ${tcp.wrong} wrong`,
      },
      { name: 'page answers', held: page === 200, seen: String(page) },
      {
        name: 'flows are the wanted ones',
        held: differences.length === 0,
        seen: differences.join('; ') || `${switches.length} switches agree`,
      },
      { name: 'no daemon ended', held: this.#lab.troubles.length === 0, seen: this.#lab.troubles.join('; ') || 'none' },
    ];
  }

  #checkOutside(figures: OutsideFigures | undefined): Check[] {
    const address = this.#lab.outside?.address;
    return figures === undefined || address === undefined ? [] : outsideChecks(address, figures);
  }

  stop(): void {
    this.#ping?.stop();
    this.#outside?.stop();
    this.#visitor.stop();
  }
}

/** What crossed between two clouds, both ways, frames and all. */
export function bytesBetween(
  before: WanStatistics['perLink'],
  after: WanStatistics['perLink'],
  a: string,
  b: string,
): number {
  const sum = (links: WanStatistics['perLink']): number =>
    links
      .filter(({ from, to }) => (from === a && to === b) || (from === b && to === a))
      .reduce((bytes, link) => bytes + link.bytes, 0);
  return sum(after) - sum(before);
}
