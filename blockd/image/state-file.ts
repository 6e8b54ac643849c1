// A small fact of the daemon that outlives it, as one JSON file that is replaced whole. Never holds what must be changed
// often or grows.
import type { Static, TSchema } from '#typebox';
import type { Disk } from '../../common/disk/disk.ts';
import { codeOf, OperationError } from '../../common/errors.ts';
import { SchemaCheck } from '../../common/schema-check.ts';
import { xxh64 } from '../../common/xxhash.ts';

/** The value with its checksum before it, which is the XXH64 of the value's own text: rot in a number is still JSON. */
const WHOLE = /^\{"xxh64":"([0-9a-f]{16})","value":(.*)\}$/s;

/** One file of one schema. */
export class StateFile<S extends TSchema> {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #check: SchemaCheck<S>;
  #turn: Promise<void> = Promise.resolve();

  constructor(disk: Disk, path: string, schema: S) {
    this.#disk = disk;
    this.#path = path;
    this.#check = new SchemaCheck(schema);
  }

  /**
   * What was written last; undefined when nothing was, or something of another format.
   * @throws OperationError STATE_DAMAGED; Error of the disk
   */
  async read(): Promise<Static<S> | undefined> {
    try {
      const value = this.#valueIn(Buffer.from(await this.#disk.readWhole(this.#path)).toString('utf8'));
      return this.#check.accepts(value) ? value : undefined;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #valueIn(text: string): unknown {
    const [, sum, value = ''] = WHOLE.exec(text) ?? [];
    if (sum !== undefined && sum === sumOf(value)) return JSON.parse(value);
    throw new OperationError('STATE_DAMAGED', `${this.#path} is damaged: it is not what was written`, {
      remedy: 'Move it away and start again: no block is in it, and the catalogue tells again what was.',
    });
  }

  /** Replaces it; durable with the answer. Calls may overlap: the last one's value stays. @throws Error of the disk */
  write(value: Static<S>): Promise<void> {
    const text = JSON.stringify(value);
    const bytes = Buffer.from(`{"xxh64":"${sumOf(text)}","value":${text}}`);
    const written = this.#turn.then(() => this.#disk.replace(this.#path, bytes));
    this.#turn = written.catch(() => undefined);
    return written;
  }
}

function sumOf(text: string): string {
  return xxh64(Buffer.from(text)).toString(16).padStart(16, '0');
}
