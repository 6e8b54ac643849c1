// Snapshots and larger images of a blockd that is alone: the catalogue commits the images to a cut, the store makes it in one
// moment, the catalogue records it. A cut that was broken off is finished or taken back by what the store says.
import { randomBytes } from 'node:crypto';
import { newLayerId } from '../../common/layer-id.ts';
import type { Head, Snapshot } from '../../wire/contracts/catalogue.ts';
import { snapshotOf } from '../catalogue/catalogue-layer-calls.ts';
import { HERE, type LoneNode } from './lone-node.ts';

export class LoneCuts {
  readonly #node: LoneNode;

  constructor(node: LoneNode) {
    this.#node = node;
  }

  /** @throws OperationError NO_IMAGE, IMAGE_UNUSABLE, SNAPSHOT_EXISTS, CUT_STANDS, STACK_FULL; Error of the disk */
  async snapshot(snapshot: string, images: readonly string[]): Promise<Snapshot> {
    const { records, catalogue, store } = this.#node;
    const named = [...new Set(images)];
    await this.settleStanding(named);
    // Before anything is begun that what cannot be used would keep from its end.
    const heads = named.map((image) => this.#node.usable(image));
    const cuts = heads.map(({ image, stack }) => ({ image, generation: stack.generation, layer: newLayerId() }));
    const cut = newCut();
    await catalogue['snapshot.begin']({ cut, snapshot, cuts }, HERE);
    await this.#make(cut, async () => {
      await store['image.cut']({ cut, cuts }, HERE);
    });
    await this.#node.keepRecords();
    return snapshotOf(records, snapshot);
  }

  /** @throws OperationError NO_IMAGE, IMAGE_UNUSABLE, SHRINK_REFUSED, BAD_SIZE, CUT_STANDS, STACK_FULL; Error of the disk */
  async grow(image: string, bytes: number): Promise<Head> {
    const { records, catalogue, store } = this.#node;
    await this.settleStanding([image]);
    const head = this.#node.usable(image);
    if (head.bytes === bytes) return head;
    const [cut, layer] = [newCut(), newLayerId()];
    const { generation } = head.stack;
    await catalogue['growth.begin']({ cut, image, generation, layer, bytes }, HERE);
    await this.#make(cut, async () => {
      await store['image.cut']({ cut, cuts: [{ image, layer, generation, bytes }] }, HERE);
    });
    await this.#node.keepRecords();
    return records.get(image).head;
  }

  /** One change is made after the other: a cut that stands was broken off, by a disk without room for its end. */
  async settleStanding(images: readonly string[]): Promise<void> {
    const { records } = this.#node;
    const standing = new Set(images.flatMap((image) => records.find(image)?.head.cut?.id ?? []));
    for (const cut of standing) await this.#settle(cut);
  }

  /** Whatever became of the work, the store says whether the cut was made. @throws what the work throws, when it was not */
  async #make(cut: string, work: () => Promise<void>): Promise<void> {
    const failure = await work().then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (!(await this.#settle(cut)) && failure !== undefined) throw failure.error;
  }

  /** Before images are opened: cuts that the last process left. @throws OperationError CUT_TORN, IMAGE_UNUSABLE */
  async settle(cut: string): Promise<void> {
    await this.#settle(cut);
  }

  /** Whether it was made. */
  async #settle(cut: string): Promise<boolean> {
    const { records, catalogue, store } = this.#node;
    const heads = records.inCut(cut).map(({ head }) => head);
    const images = heads.map(({ image }) => image);
    const { sealed } = await store['cut.cancel']({ cut, images }, HERE);
    const [first] = heads;
    if (first === undefined) return true;
    const snapshot = first.cut?.snapshot;
    if (sealed.length === 0) await catalogue['snapshot.abort']({ cut }, HERE);
    else if (snapshot === undefined) await catalogue['growth.finish']({ cut, image: first.image, sealed }, HERE);
    else await catalogue['snapshot.finish']({ cut, snapshot, sealed, atMs: Date.now() }, HERE);
    return sealed.length > 0;
  }
}

function newCut(): string {
  return randomBytes(8).toString('hex');
}
