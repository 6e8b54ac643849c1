// What a node keeps of its encrypted underlay: its keys, the members that it heard of last and who of them relays nothing, so that
// it speaks to them after a restart while the controller is away.
import { join } from 'node:path';
import { type TSchema, Type } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { codeOf } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { UnderlayMember } from '../../wire/contracts/underlay.ts';
import { Name } from '../../wire/names.ts';
import { KeyState } from './key-rotation.ts';
import { newKeyPair } from './wireguard-keys.ts';

const KEYS_FILE = 'wireguard-keys.json';
const MEMBERS_FILE = 'underlay.json';
const AWAY_FILE = 'underlay-away.json';
/** Readable by the node's own daemons' user alone. */
const MODE = 0o600;
const Keys = new SchemaCheck(KeyState);
const Members = new SchemaCheck(Type.Array(UnderlayMember));
const Away = new SchemaCheck(Type.Array(Name));

type BookDisk = Pick<Disk, 'replace' | 'readWhole'>;

export class UnderlayBook {
  readonly #disk: BookDisk;
  readonly #directory: string;
  #keys: KeyState;
  #members: readonly UnderlayMember[] = [];
  #away: readonly string[] = [];
  #writing: Promise<void> = Promise.resolve();

  private constructor(disk: BookDisk, directory: string, keys: KeyState) {
    this.#disk = disk;
    this.#directory = directory;
    this.#keys = keys;
  }

  /** A node that has no key draws one, durably, before anybody hears of it. */
  static async open(disk: BookDisk, directory: string, nowMs: number): Promise<UnderlayBook> {
    const kept = await read(disk, join(directory, KEYS_FILE), Keys);
    const keys = kept ?? { current: newKeyPair().privateKey, sinceMs: nowMs };
    const book = new UnderlayBook(disk, directory, keys);
    book.#members = (await read(disk, join(directory, MEMBERS_FILE), Members)) ?? [];
    book.#away = (await read(disk, join(directory, AWAY_FILE), Away)) ?? [];
    if (kept === undefined) await book.keepKeys(keys);
    return book;
  }

  get keys(): KeyState {
    return this.#keys;
  }

  get members(): readonly UnderlayMember[] {
    return this.#members;
  }

  /** Members that relay nothing, as the node heard last. */
  get away(): readonly string[] {
    return this.#away;
  }

  /** They count when they are durable. */
  async keepKeys(keys: KeyState): Promise<void> {
    await this.#write(KEYS_FILE, keys);
    this.#keys = keys;
  }

  /** They count at once. */
  keepMembers(members: readonly UnderlayMember[]): Promise<void> {
    this.#members = members;
    return this.#write(MEMBERS_FILE, members);
  }

  /** They count at once. */
  keepAway(away: readonly string[]): Promise<void> {
    if (String(away) === String(this.#away)) return Promise.resolve();
    this.#away = away;
    return this.#write(AWAY_FILE, away);
  }

  /** One writing after the other. */
  #write(file: string, value: unknown): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(value));
    const written = this.#writing.then(() => this.#disk.replace(join(this.#directory, file), bytes, MODE));
    this.#writing = written.catch(() => undefined);
    return written;
  }
}

// What is damaged is nothing: a key is drawn anew, and the controller tells the members again.
async function read<S extends TSchema>(disk: BookDisk, path: string, check: SchemaCheck<S>) {
  try {
    const value: unknown = JSON.parse(Buffer.from(await disk.readWhole(path)).toString());
    return check.accepts(value) ? value : undefined;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
