// Block daemons that know each other as members, and an image that is made at one of them and moves to another, as the
// orchestrator and the hold's two agents would have it. Not a test itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { createAuthority, issueIdentity } from '../../common/membership/authority.ts';
import { ProgressLine } from '../../common/terminal/progress.ts';
import { ensurePackages } from '../../lab/host-packages.ts';
import type { Closing } from '../../wire/contracts/blockd.ts';
import type { Stack } from '../../wire/contracts/layers.ts';
import { BlockdNode } from './blockd-node.ts';

/** The guest of these images is qemu-io. */
const PACKAGES = ['qemu-utils'];
const VERIFY_TIMEOUT_MS = 30_000;

/** How an image ended that nobody has written yet. */
export const EMPTY: Closing = {
  image: 'web',
  epoch: 0,
  lastSequence: 0,
  entries: 0,
  digest: '0'.repeat(32),
  generation: 1,
};

/** One daemon to start: a loopback address of its own, its cloud, and what its configuration has beside that. */
export interface Seat {
  readonly name: string;
  readonly address: string;
  readonly cloud?: string;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** What its stores have to know of image `web`. */
export interface KnownImage {
  readonly bytes: number;
  readonly stack: Stack;
}

/** The daemons, each in a directory below one root. */
export class BlockdNodes {
  readonly root: string;
  readonly #nodes: readonly BlockdNode[];

  private constructor(root: string, nodes: readonly BlockdNode[]) {
    this.root = root;
    this.#nodes = nodes;
  }

  /** Starts them all and tells each who the members are. On failure nothing is left. */
  static async start(seats: readonly Seat[]): Promise<BlockdNodes> {
    await ensurePackages(PACKAGES, new ProgressLine());
    const root = await mkdtemp(join(tmpdir(), 'blockd-nodes-'));
    const authority = await createAuthority();
    const controller = await issueIdentity(authority, { node: 'k', role: 'controller' });
    const nodes: BlockdNode[] = [];
    for (const { name, address, config = {} } of seats) {
      nodes.push(await BlockdNode.make(authority, controller, root, name, address, config));
    }
    const made = new BlockdNodes(root, nodes);
    try {
      for (const node of nodes) await node.start();
      await made.#acquaint(seats);
      return made;
    } catch (error) {
      await made.stop();
      throw error;
    }
  }

  async #acquaint(seats: readonly Seat[]): Promise<void> {
    const members = seats.map(({ name, address, cloud }) => ({
      ...{ node: name, address },
      ...(cloud === undefined ? {} : { cloud }),
    }));
    await Promise.all(this.#nodes.map((node) => node.controller.call('members.set', { members })));
  }

  node(name: string): BlockdNode {
    const found = this.#nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  async stop(): Promise<void> {
    for (const node of this.#nodes) {
      await node.stop('SIGKILL');
      node.close();
    }
    await rm(this.root, { recursive: true, force: true });
  }
}

/** Makes image `web` at a node and opens it there, under epoch 1. */
export async function openNew(node: BlockdNode, { bytes, stack }: KnownImage): Promise<void> {
  await node.controller.call('image.create', { image: 'web', layer: stack.layer, bytes });
  const opening = { image: 'web', bytes, stack, epoch: 1, last: EMPTY, from: node.endpoint };
  await node.controller.call('image.open', opening);
}

/** A migration of image `web` by name and the epoch that its destination writes under. */
export interface Move {
  readonly migration: string;
  readonly epoch: number;
  /** What happens at the source when the destination is ready and the hold has not begun. */
  readonly beforeHold?: () => Promise<unknown>;
}

/** The whole way: stand-by, freeze, verify, activate, release. */
export async function moveImage(
  from: BlockdNode,
  to: BlockdNode,
  { bytes, stack }: KnownImage,
  { migration, epoch, beforeHold }: Move,
): Promise<void> {
  const standBy = { migration, image: 'web', bytes, stack, epoch, from: from.endpoint };
  await to.controller.call('standby.start', standBy);
  await to.controller.call('standby.ready', { migration });
  await beforeHold?.();
  const { closings } = await from.self.call('writer.freeze', { migration, images: ['web'] });
  const verdict = await to.self.call('standby.verify', { migration, closings, timeoutMs: VERIFY_TIMEOUT_MS });
  assert.equal(verdict, { equal: true, reason: '' });
  await to.self.call('standby.activate', { migration });
  await from.self.call('writer.release', { migration });
}
