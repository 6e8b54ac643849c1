// Larger images. A closed one gets a larger top in one commit; under a running VM its node cuts it, as for a snapshot, and
// the VM is told then. What was cut is larger whatever becomes of the rest: the VM goes on with what it sees, and is told
// again. A cut whose end was not seen is finished or taken back by what its node says.
import { randomBytes } from 'node:crypto';
import { messageOf, OperationError } from '../../common/errors.ts';
import { newLayerId } from '../../common/layer-id.ts';
import type { Log } from '../../common/log.ts';
import { formatBytes } from '../../common/terminal/progress.ts';
import type { CutImage } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { Admission } from '../admission.ts';
import type { Cluster } from '../cluster.ts';
import type { State, VmRecord } from '../state.ts';

export interface ImageGrowthParts {
  readonly state: State;
  readonly cluster: Cluster;
  readonly admission: Pick<Admission, 'withImage'>;
  readonly log: Log;
}

export class ImageGrowth {
  readonly #parts: ImageGrowthParts;
  readonly #cluster: Cluster;
  /** Images that a call of this process sees to. */
  readonly #underWay = new Set<string>();
  /** Why a VM was not told; said once. */
  readonly #reasons = new Map<string, string>();

  constructor(parts: ImageGrowthParts) {
    this.#parts = parts;
    this.#cluster = parts.cluster;
  }

  /**
   * Again with the same size tells the VM again.
   * @throws OperationError IMAGE_BUSY, IMAGE_READ, SHRINK_REFUSED, RESIZE_PENDING, RESIZE_UNSEEN and those of the node
   */
  async resize(image: string, bytes: number): Promise<Head> {
    const { catalogue } = this.#cluster.controller;
    const head = await catalogue.call('image.head', { image });
    if (head.writer === null) {
      return this.#parts.admission.withImage(image, 'resized', () =>
        catalogue.call('image.resize', { image, layer: newLayerId(), bytes }),
      );
    }
    if (this.#underWay.has(image)) {
      throw new OperationError('IMAGE_BUSY', `image ${image} is being resized`, { remedy: 'wait for that to end' });
    }
    this.#underWay.add(image);
    try {
      const grown = bytes === head.bytes ? head : await this.#grow(head, bytes);
      await this.#tell(grown);
      return grown;
    } finally {
      this.#underWay.delete(image);
    }
  }

  async #grow({ image, stack }: Head, bytes: number): Promise<Head> {
    const cut = randomBytes(8).toString('hex');
    const order = { cut, image, generation: stack.generation, layer: newLayerId(), bytes };
    const begun = await this.#cluster.controller.catalogue.call('growth.begin', order);
    try {
      return await this.#finish(begun, await this.#cutAt(begun));
    } catch (error) {
      return this.#afterFailure(begun, error);
    }
  }

  async #cutAt({ image, writer, stack, cut }: Head): Promise<CutImage[]> {
    const { id = '', layer = '', bytes } = cut ?? {};
    const { generation } = stack;
    const cuts = [{ image, layer, generation, ...(bytes === undefined ? {} : { bytes }) }];
    return (await this.#cluster.clients(writer ?? '').blockd.call('image.cut', { cut: id, cuts })).sealed;
  }

  #finish({ image, cut }: Head, sealed: CutImage[]): Promise<Head> {
    return this.#cluster.controller.catalogue.call('growth.finish', { image, cut: cut?.id ?? '', sealed });
  }

  /** The node may have cut all the same; it says so, or that it never will. */
  async #afterFailure(head: Head, error: unknown): Promise<Head> {
    const made = await this.#settle(head).catch((cause: unknown) => {
      throw new OperationError('RESIZE_PENDING', `image ${head.image} is not larger yet: ${messageOf(error)}`, {
        cause,
        remedy: 'it is finished or taken back as soon as its node answers; look with supercloud image show',
      });
    });
    if (made === undefined) throw error;
    return made;
  }

  /** Ends a cut one way or the other; undefined when it is taken back. */
  async #settle(head: Head): Promise<Head | undefined> {
    const { image, writer, cut } = head;
    const order = { cut: cut?.id ?? '', images: [image] };
    const { sealed } = await this.#cluster.clients(writer ?? '').blockd.call('cut.cancel', order);
    if (sealed.length > 0) return this.#finish(head, sealed);
    await this.#cluster.controller.catalogue.call('snapshot.abort', { cut: order.cut });
    return undefined;
  }

  /** The VM that runs on it sees the size. @throws OperationError RESIZE_UNSEEN */
  async #tell(head: Head): Promise<void> {
    const found = this.#vmOn(head);
    if (found === undefined) return;
    const { vm } = found;
    const { image, bytes, writer } = head;
    try {
      const order = { term: this.#parts.state.term, vm, image, bytes };
      await this.#cluster.clients(writer ?? '').hypervisor.call('machine.resize', order);
    } catch (cause) {
      throw new OperationError(
        'RESIZE_UNSEEN',
        `image ${image} has ${formatBytes(bytes)}, but VM ${vm} does not see that yet: ${messageOf(cause)}`,
        { cause, remedy: 'it runs on, and is told again every few seconds' },
      );
    }
    await this.#noteSize(vm, head);
  }

  /** For its next place: both ends of a migration are given the same. */
  async #noteSize(vm: string, { image, bytes }: Head): Promise<void> {
    const record = this.#parts.state.get('vms', vm);
    if (record === undefined) return;
    const disks = record.spec.disks.map((disk) => (disk.image === image ? { ...disk, bytes } : disk));
    await this.#parts.state.put('vms', vm, { ...record, spec: { ...record.spec, disks } });
    this.#reasons.delete(image);
  }

  #vmOn({ image, writer }: Head): VmRecord | undefined {
    return this.#parts.state
      .all('vms')
      .find(({ phase, node, spec }) => phase === 'settled' && node === writer && hasDisk(spec.disks, image));
  }

  /** Once more what nobody sees to: cuts that stand, and VMs that see an older size. */
  async tidy(): Promise<void> {
    const { heads } = await this.#cluster.controller.catalogue.call('image.list', {});
    for (const head of heads.filter(({ image }) => !this.#underWay.has(image))) {
      const seen = this.#vmOn(head)?.spec.disks.find(({ image }) => image === head.image)?.bytes;
      const isCut = head.cut?.bytes !== undefined;
      if (!isCut && (seen === undefined || seen === head.bytes)) continue;
      if (!this.#cluster.isUp(head.writer ?? '')) continue;
      await (isCut ? this.#settle(head) : this.#tell(head)).catch((error: unknown) => this.#note(head.image, error));
    }
  }

  #note(image: string, error: unknown): void {
    const reason = messageOf(error);
    if (this.#reasons.get(image) !== reason) this.#parts.log.warn({ image, reason }, 'a resize is not whole yet');
    this.#reasons.set(image, reason);
  }
}

function hasDisk(disks: readonly { readonly image: string }[], image: string): boolean {
  return disks.some((disk) => disk.image === image);
}
