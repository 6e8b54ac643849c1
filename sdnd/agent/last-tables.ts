// What the controllers had given this node's switch when the last of them was heard last, kept on the disk: a switch that is
// restarted while they are away has that again (SOUNDNESS C9). Once one is there it is nothing: what that wants is newer.
import { encode, type FlowMod, MessageReader } from '@openflow/ofp';
import type { Clock, Timer } from '../../common/clock.ts';
import type { Disk } from '../../common/disk/disk.ts';
import { codeOf, messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { xxh64 } from '../../common/xxhash.ts';
import { type Flow, flowsByKey } from '../flow.ts';
import { diffFlows, flowMods } from '../flow-diff.ts';
import { LocalSwitch } from '../local-switch/local-switch.ts';
import { CONTROLLER_COOKIE, WRITER_MASK } from '../pipeline.ts';
import type { OpenFlowChannel } from '../session/openflow-channel.ts';

/** How soon it is seen that no controller is there, or one again. */
const LOOK_EVERY_MS = 1_000;
const CONTROLLERS = { cookie: CONTROLLER_COOKIE, cookieMask: WRITER_MASK };
/** Of the file: the checksum (XXH64) of what follows, the kernel's run (36 characters), the flow-mods. */
const SUM_BYTES = 8;
const RUN_BYTES = 64;

export interface LastTablesParts {
  /** The bridge's management socket. */
  readonly socket: string;
  /** Whether a controller may change the switch's flows now; undefined while that is not known. */
  readonly isControlled: () => boolean | undefined;
  readonly disk: Pick<Disk, 'readWhole' | 'replace' | 'remove' | 'kernelRun'>;
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
}

export class LastTables {
  readonly #parts: LastTablesParts;
  readonly #switch: LocalSwitch;
  #kept: readonly FlowMod[] | undefined;
  /** Counts the sessions with the switch: in a later one it may have been restarted. */
  #session = 0;
  /** In which it is as it was, or is to be, without a controller. */
  #settled = -1;
  /** In which it was given its last flows from here: what it has in that one is nothing that a controller has said since. */
  #restored = -1;
  #timer: Timer | undefined;
  #isStopped = false;

  private constructor(parts: LastTablesParts, kept: readonly FlowMod[] | undefined) {
    this.#parts = parts;
    this.#kept = kept;
    this.#switch = new LocalSwitch(
      { ...parts, who: 'the last tables' },
      { begun: () => void this.#session++, ended: () => undefined },
    );
    this.#lookLater();
  }

  /** With what an earlier agent of this run of the kernel kept; a file that is damaged is none. @throws Error of the disk */
  static async open(parts: LastTablesParts): Promise<LastTables> {
    return new LastTables(parts, await read(parts));
  }

  /** The flows stay as they are. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#switch.stop();
  }

  #lookLater(): void {
    this.#timer = this.#parts.clock.setTimer(LOOK_EVERY_MS, () => {
      void this.#look()
        .catch((error: unknown) => this.#parts.log.warn({ reason: messageOf(error) }, 'the last tables are not kept'))
        .then(() => {
          if (!this.#isStopped) this.#lookLater();
        });
    });
  }

  async #look(): Promise<void> {
    const isControlled = this.#parts.isControlled();
    if (isControlled === true) return this.#forget();
    const { channel } = this.#switch;
    const session = this.#session;
    if (isControlled === undefined || channel === undefined || this.#settled === session) return;
    const flows = await channel.readFlows(CONTROLLERS);
    if (flows.length === 0 && this.#kept !== undefined) {
      this.#restored = session;
      await this.#restore(channel, this.#kept);
    } else if (flows.length > 0 && this.#restored !== session) await this.#keep(flows);
    this.#settled = session;
  }

  async #forget(): Promise<void> {
    this.#settled = -1;
    this.#restored = -1;
    if (this.#kept === undefined) return;
    await this.#parts.disk.remove(this.#parts.path);
    this.#kept = undefined;
  }

  /** What goes by itself after a while is of the moment that is over by then. */
  async #keep(flows: readonly Flow[]): Promise<void> {
    const { disk, path, log } = this.#parts;
    const lasting = flowsByKey(flows.filter(({ hardTimeoutSec = 0 }) => hardTimeoutSec === 0));
    const kept = flowMods(diffFlows(lasting, new Map()));
    await disk.replace(path, bytesOf(disk.kernelRun, kept));
    this.#kept = kept;
    log.info({ flows: kept.length }, 'no controller is there: what it gave the switch is kept');
  }

  // Whole or not at all: else the next agent, were this one killed in the middle, would take a part for what was given last.
  async #restore(channel: OpenFlowChannel, kept: readonly FlowMod[]): Promise<void> {
    await channel.applyWhole(kept);
    this.#parts.log.warn(
      { flows: kept.length },
      'the switch has begun anew, and no controller is there: it has its last flows',
    );
  }
}

function bytesOf(kernelRun: string, mods: readonly FlowMod[]): Uint8Array {
  const run = Buffer.alloc(RUN_BYTES);
  run.write(kernelRun);
  const rest = Buffer.concat([run, ...mods.map((mod) => encode(mod, 0))]);
  const sum = Buffer.alloc(SUM_BYTES);
  sum.writeBigUInt64LE(xxh64(rest));
  return Buffer.concat([sum, rest]);
}

async function read({ disk, path, log }: LastTablesParts): Promise<readonly FlowMod[] | undefined> {
  let bytes: Buffer;
  try {
    bytes = Buffer.from(await disk.readWhole(path));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
  const rest = bytes.subarray(SUM_BYTES);
  const isSound = rest.length >= RUN_BYTES && bytes.readBigUInt64LE(0) === xxh64(rest);
  if (!isSound) log.error({ path }, 'the last tables are damaged, and passed over');
  const run = rest.toString('utf8', 0, RUN_BYTES).replace(/\0+$/, '');
  // After a start of the machine no guest is left that they were for.
  if (!isSound || run !== disk.kernelRun) return undefined;
  return new MessageReader().push(rest.subarray(RUN_BYTES)).flatMap((result) => {
    return result.kind === 'message' && result.message.type === 'flow-mod' ? [result.message] : [];
  });
}
