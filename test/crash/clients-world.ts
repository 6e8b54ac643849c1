// An image that two clients use at once, with the model of what it must be; each of a client's operations is told to the model
// when it is asked for and when it is answered. Not a test itself.
import type { Image } from '../../blockd/image/image.ts';
import { BLOCK_BYTES } from '../../blockd/table/block-version.ts';
import { messageOf } from '../../common/errors.ts';
import { runsOf } from '../unit/blockd/table-runs.ts';
import { ClientsModel, type Kept } from './clients-model.ts';
import type { CrashDisk } from './crash-disk.ts';
import { type Kind, makeWorld, openOn } from './image-world.ts';

const MIGRATION = '00000000000000aa';
const BLOCKS = 4;
const SECTOR_BYTES = 512;
/** Turns of the microtasks in which everything that can go on has done so. */
const SETTLE_TURNS = 250;

export const OPERATIONS = ['write', 'part', 'zero', 'trim', 'flush', 'fua', 'publish', 'hold'] as const;
export type Operation = (typeof OPERATIONS)[number];
export type Client = 0 | 1;

/** Where each client writes: over the other's range, beside it in one block, and apart from it. */
const RANGES: Readonly<
  Record<'write' | 'part' | 'zero' | 'trim' | 'fua', readonly [offset: number, length: number][]>
> = {
  write: [
    [0, 2 * BLOCK_BYTES],
    [BLOCK_BYTES, 2 * BLOCK_BYTES],
  ],
  part: [
    [BLOCK_BYTES + 2 * SECTOR_BYTES, BLOCK_BYTES],
    [BLOCK_BYTES + SECTOR_BYTES, SECTOR_BYTES],
  ],
  zero: [
    [BLOCK_BYTES + 2 * SECTOR_BYTES, 18 * SECTOR_BYTES],
    [SECTOR_BYTES, 2 * BLOCK_BYTES],
  ],
  trim: [
    [0, 2 * BLOCK_BYTES],
    [BLOCK_BYTES, 2 * BLOCK_BYTES],
  ],
  fua: [
    [2 * BLOCK_BYTES, BLOCK_BYTES],
    [BLOCK_BYTES, BLOCK_BYTES],
  ],
};

export async function settle(): Promise<void> {
  for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
}

/** The image, its disk, and both clients' view of it. */
export class ClientsWorld {
  readonly disk: CrashDisk;
  readonly image: Image;
  readonly model: ClientsModel;
  readonly #kind: Kind;
  #marks = 0;

  private constructor(disk: CrashDisk, image: Image, kind: Kind) {
    this.disk = disk;
    this.image = image;
    this.#kind = kind;
    const content = Buffer.alloc(BLOCKS * BLOCK_BYTES);
    if (!image.tryRead(0, content)) throw new Error('everything is local');
    this.model = new ClientsModel(content);
  }

  static async make(kind: Kind): Promise<ClientsWorld> {
    const { disk, image } = await makeWorld(kind);
    return new ClientsWorld(disk, image, kind);
  }

  /** Takes an operation of a client. Settles with its answer; never, once the power is off. */
  async take(client: Client, operation: Operation): Promise<void> {
    const { image, model } = this;
    switch (operation) {
      case 'write':
      case 'part':
      case 'fua':
      case 'zero':
      case 'trim':
        return this.#change(client, operation);
      case 'flush': {
        const asked = model.flush();
        await image.flush();
        return model.flushed(asked);
      }
      case 'publish':
        return this.#publish();
      case 'hold': {
        const asked = model.flush();
        await image.freeze(MIGRATION);
        model.flushed(asked);
        await image.thaw();
      }
    }
  }

  /** Nothing is under way. */
  settled(): void {
    const { table } = this.image.store;
    this.model.settled(this.image);
    this.model.versions.used(table.lastSequence);
    // What is durable may be told at any time, and names its content from now on.
    if (!table.hasChanges) this.model.versions.published(runsOf(table), this.image);
  }

  /** Checks what a crash at this moment leaves, with each loss and with none but the daemon. Answers how many there are. */
  async verify(where: string): Promise<number> {
    this.model.versions.used(this.image.store.table.lastSequence);
    const losses = this.disk.losses();
    for (const loss of losses)
      await this.#recovers(this.disk.afterCut(loss), 'durable', `${where}; ${JSON.stringify(loss)}`);
    await this.#recovers(this.disk.afterKill(), 'answered', `${where}; killed`);
    return losses.length + 1;
  }

  /** It recovers, and again after a power cut that loses what the first recovery had not synced. */
  async #recovers(disk: CrashDisk, kept: Kept, where: string): Promise<void> {
    const versions = this.model.versions.fork();
    try {
      await this.model.verify(await openOn(disk, this.#kind), kept, versions);
      await this.model.verify(await openOn(disk.afterCut({ kind: 'lose-all' }), this.#kind), 'durable', versions);
    } catch (error) {
      throw new Error(`${where}: ${messageOf(error)}`, { cause: error });
    }
  }

  async #change(client: Client, operation: keyof typeof RANGES): Promise<void> {
    const { image, model } = this;
    const [offset, length] = RANGES[operation][client] ?? [0, 0];
    const isZero = operation === 'zero' || operation === 'trim';
    const data = Buffer.alloc(length, isZero ? 0 : ++this.#marks);
    const asked = model.change(offset, data);
    if (operation === 'zero') await image.zero(offset, length, false);
    else if (operation === 'trim') await image.trim(offset, length, false);
    else await image.write(offset, data, operation === 'fua');
    model.changed(asked, operation === 'fua');
  }

  async #publish(): Promise<void> {
    const told = (runs: Buffer): void => this.model.versions.published(runs, this.image);
    const telling = this.image.store.follow({ changes: told });
    for (let runs = telling.next(); runs !== undefined; runs = telling.next()) told(runs);
    await this.image.store.flush();
  }
}
