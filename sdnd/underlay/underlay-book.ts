// What a node keeps of its encrypted underlay: its private key, and the members that it heard of last, so that it speaks to
// them after a restart while the controller is away.
import { join } from 'node:path';
import { Type } from 'typebox';
import type { Disk } from '../../common/disk.ts';
import { codeOf } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { UnderlayMember } from '../../wire/contracts/underlay.ts';
import { newKeyPair } from './wireguard-keys.ts';

const KEY_FILE = 'wireguard.key';
const MEMBERS_FILE = 'underlay.json';
/** Readable by the node's own daemons' user alone. */
const MODE = 0o600;
const Members = new SchemaCheck(Type.Array(UnderlayMember));

type BookDisk = Pick<Disk, 'replace' | 'readWhole'>;

export class UnderlayBook {
  readonly #disk: BookDisk;
  readonly #directory: string;
  /** Base64, as WireGuard's tools take it. */
  readonly privateKey: string;
  #members: readonly UnderlayMember[];
  #writing: Promise<void> = Promise.resolve();

  private constructor(disk: BookDisk, directory: string, privateKey: string, members: readonly UnderlayMember[]) {
    this.#disk = disk;
    this.#directory = directory;
    this.privateKey = privateKey;
    this.#members = members;
  }

  /** A node that has no key draws one, durably, before anybody hears of it. */
  static async open(disk: BookDisk, directory: string): Promise<UnderlayBook> {
    const file = join(directory, KEY_FILE);
    let privateKey = (await readText(disk, file))?.trim();
    if (privateKey === undefined) {
      privateKey = newKeyPair().privateKey;
      await disk.replace(file, Buffer.from(`${privateKey}\n`), MODE);
    }
    const text = await readText(disk, join(directory, MEMBERS_FILE));
    return new UnderlayBook(disk, directory, privateKey, text === undefined ? [] : membersIn(text));
  }

  get members(): readonly UnderlayMember[] {
    return this.#members;
  }

  /** They count at once; one writing after the other. */
  keep(members: readonly UnderlayMember[]): Promise<void> {
    this.#members = members;
    const bytes = Buffer.from(JSON.stringify(members));
    const written = this.#writing.then(() => this.#disk.replace(join(this.#directory, MEMBERS_FILE), bytes, MODE));
    this.#writing = written.catch(() => undefined);
    return written;
  }
}

// What is damaged is nothing: the controller tells it again.
function membersIn(text: string): readonly UnderlayMember[] {
  try {
    const value: unknown = JSON.parse(text);
    return Members.accepts(value) ? value : [];
  } catch {
    return [];
  }
}

async function readText(disk: BookDisk, path: string): Promise<string | undefined> {
  try {
    return Buffer.from(await disk.readWhole(path)).toString();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
