// How far this store has come in its life. The catalogue remembers the newest notch that it was told, and asks for it again:
// a store that was put back as it was once, or that has a twin which went on, has not got it (SOUNDNESS D2). A notch is
// made only when somebody asks, and only if something was made durable since the last one; none is told before it is
// durable itself. Nothing of the store's service waits for it.
import { randomBytes } from 'node:crypto';
import { Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import { NotchWord, type SaidNotch } from '../../wire/contracts/store-notch.ts';
import type { ImageStore } from '../store/image-store.ts';
import { StateFile } from './state-file.ts';

/**
 * Each question that was answered asks for the newest notch, so that only answers that were lost in a row, and a catalogue
 * that was put back itself, ask for an older one. 256 words are 5 KB.
 */
const WORDS_MAX = 256;
const WORD_BYTES = 8;

const Ratchet = Type.Object({
  store: NotchWord,
  count: Type.Integer({ minimum: 1 }),
  /** Of the newest notches, the newest last. */
  words: Type.Array(NotchWord, { minItems: 1 }),
});
type Ratchet = Type.Static<typeof Ratchet>;

/** One store's ratchet. */
export class StoreRatchet {
  readonly #file: StateFile<typeof Ratchet>;
  readonly #log: Log;
  /** Undefined until it was read, or made. */
  #ratchet: Ratchet | undefined;
  /** What was durable in the store at the newest notch of this process. */
  #noted: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(disk: Disk, path: string, log: Log) {
    this.#file = new StateFile(disk, path, Ratchet);
    this.#log = log;
  }

  /**
   * Where the store is, and the word of the notch `at`. `durable` says what there is to lose (`durableState`). A disk that
   * cannot take a new notch leaves it at the last one, which is as true; only one that never had any must have room.
   * @throws OperationError STATE_DAMAGED; Error of the disk
   */
  show(at: number, durable: () => string): Promise<SaidNotch> {
    const shown = this.#turn.then(async () => {
      this.#ratchet ??= await this.#file.read();
      const state = durable();
      if (this.#noted !== state) await this.#advance(state);
      return said(this.#known(), at);
    });
    this.#turn = shown.catch(() => undefined);
    return shown;
  }

  async #advance(state: string): Promise<void> {
    const { store = newWord(), count = 0, words = [] } = this.#ratchet ?? {};
    const next = { store, count: count + 1, words: [...words, newWord()].slice(-WORDS_MAX) };
    try {
      await this.#file.write(next);
      this.#ratchet = next;
      this.#noted = state;
    } catch (error) {
      if (this.#ratchet === undefined) throw error;
      this.#log.warn({ reason: messageOf(error) }, 'how far the store has come is not noted: it is told as it was');
    }
  }

  #known(): Ratchet {
    if (this.#ratchet === undefined) throw new Error('a ratchet is shown that was never made');
    return this.#ratchet;
  }
}

/** All that is durable of what is written here, or was: whatever changes it can be lost by an older copy of the store. */
export function durableState(stores: readonly ImageStore[]): string {
  return stores.map(stateOf).filter(Boolean).sort().join(' ');
}

function stateOf({ layer, state, durableSequence }: ImageStore): string {
  const { role, epoch, closing } = state;
  if (role === 'writer' || role === 'frozen' || role === 'cutting')
    return `${layer}:${role}:${epoch}:${durableSequence}`;
  return role === 'replica' && closing !== null ? `${layer}:${closing.epoch}:${closing.digest}` : '';
}

function said({ store, count, words }: Ratchet, at: number): SaidNotch {
  const wordAt = words[words.length - 1 - (count - at)];
  const word = words.at(-1);
  if (word === undefined) throw new Error('a ratchet has no word');
  return { now: { store, count, word }, at, ...(wordAt === undefined ? {} : { wordAt }) };
}

function newWord(): string {
  return randomBytes(WORD_BYTES).toString('hex');
}
