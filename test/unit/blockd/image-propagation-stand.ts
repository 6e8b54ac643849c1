// An image at its writer with its propagation, and the ways to other places, settings and members left to the test. Not a test
// itself.
import * as assert from 'uvu/assert';
import { DEFAULT_SETTINGS } from '../../../blockd/propagation/default-settings.ts';
import type { PushOrder } from '../../../blockd/propagation/propagator-parts.ts';
import type { PushRun } from '../../../blockd/propagation/push-queue.ts';
import { BLOCK_BYTES } from '../../../blockd/table/block-version.ts';
import { ImageArrival } from '../../../blockd/transfer/image-arrival.ts';
import { ImagePropagation, type ImagePropagationParts } from '../../../blockd/transfer/image-propagation.ts';
import type { PushWay } from '../../../blockd/transfer/push-way.ts';
import type { PropagationMemory, PropagationSettings } from '../../../wire/contracts/propagation.ts';
import type { Member } from '../../../wire/names.ts';
import { type SmallImage, smallImage } from './small-image.ts';

export const MEMBERS: readonly Member[] = ['a', 'b', 'c'].map((node) => ({
  node,
  address: '10.0.0.1',
  cloud: `${node}-cloud`,
}));
const TO_B = [{ from: 'a-cloud', to: 'b-cloud', probability: 1 }];
/** All goes to b, whatever was read. */
export const PROACTIVE: PropagationSettings = { ...DEFAULT_SETTINGS, policy: { mode: 'proactive' }, transitions: TO_B };
/** Keeps what is pushed for the test to settle. */
class FakeWay implements PushWay {
  readonly open = new Set(['b', 'c']);
  readonly pushed: { readonly order: PushOrder; readonly settled: (isHeld: boolean) => void }[] = [];
  coming: string | undefined;
  readonly told: [node: string, frame: Parameters<PushWay['tell']>[1]][] = [];
  watcher: () => void = () => undefined;

  mayTake(node: string): boolean {
    return this.open.has(node);
  }

  comingTo(): string | undefined {
    return this.coming;
  }

  tell(node: string, frame: Parameters<PushWay['tell']>[1]): void {
    this.told.push([node, frame]);
  }

  watch(watcher: () => void): () => void {
    this.watcher = watcher;
    return () => undefined;
  }

  push(order: PushOrder, settled: (part: PushRun, isHeld: boolean) => void): void {
    this.pushed.push({ order, settled: (isHeld) => settled(order, isHeld) });
  }

  get blocks(): number {
    return this.pushed.reduce((sum, { order }) => sum + order.count, 0);
  }
}

interface Stand extends SmallImage {
  readonly way: FakeWay;
  readonly propagation: ImagePropagation;
  readonly arrival: ImageArrival;
  readonly remembered: PropagationMemory[];
  readonly preferred: Uint32Array[];
  readonly pull: { isUnderWay: boolean };
  readonly pace: { share: number };
  settings: PropagationSettings;
  members: readonly Member[];
}

export async function stand(settings: PropagationSettings = PROACTIVE, atB: readonly number[] = []): Promise<Stand> {
  const small = await smallImage(atB);
  const way = new FakeWay();
  const told: Pick<Stand, 'settings' | 'members'> = { settings, members: MEMBERS };
  const arrival = new ImageArrival(small.image);
  const remembered: PropagationMemory[] = [];
  const book: ImagePropagationParts['book'] = {
    of: () => told.settings,
    memoryOf: () => remembered.at(-1),
    remember: (_image, memory) => void remembered.push(memory),
  };
  const preferred: Uint32Array[] = [];
  const prefer = (hottest: Uint32Array): void => void preferred.push(hottest);
  const pull = { isUnderWay: false, prefer };
  const pace = { share: 1 };
  const parts = { ...small, node: 'a', way, members: () => told.members, book, arrival, pull, pace };
  const propagation = new ImagePropagation(parts);
  return Object.assign(told, { ...small, way, arrival, remembered, preferred, pull, pace, propagation });
}

/** Blocks that are worth a push. */
export async function use({ image }: SmallImage, first: number, count: number): Promise<void> {
  const data = Buffer.alloc(count * BLOCK_BYTES, 1);
  await image.write(first * BLOCK_BYTES, data, false);
  for (let time = 0; time < 3; time++) assert.ok(image.tryRead(first * BLOCK_BYTES, data));
}
