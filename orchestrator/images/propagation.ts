// How images' blocks get to other places, as the operator sets it: kept by the catalogue, told to the node that writes the
// image, and the nodes that it would push to are told to follow it. Who is away hears of it when it is back; an opening and
// a stand-by bring the settings along.
import { messageOf, OperationError } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { Params } from '../../wire/contract.ts';
import type { blockdContract } from '../../wire/contracts/blockd.ts';
import type { Head } from '../../wire/contracts/catalogue.ts';
import type { PropagationView } from '../../wire/contracts/cluster-state.ts';
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import type { Cluster } from '../cluster.ts';

export class Propagation {
  readonly #cluster: Cluster;
  readonly #log: Log;
  /** What was told of each image last, by this process, and whom. */
  readonly #told = new Map<string, string>();

  constructor(options: { cluster: Cluster; log: Log }) {
    this.#cluster = options.cluster;
    this.#log = options.log;
  }

  /** @throws OperationError NO_IMAGE */
  async show(image: string): Promise<PropagationView> {
    const { catalogue } = this.#cluster.controller;
    const [{ writer }, settings] = await Promise.all([
      catalogue.call('image.head', { image }),
      catalogue.call('propagation.show', { image }),
    ]);
    return { image, settings, writer, status: writer === null ? null : await this.#ask(image, writer) };
  }

  /**
   * Keeps the settings and tells the writer; answers the nodes that will hear of it later.
   * @throws OperationError NO_IMAGE, CLOUD_UNKNOWN, POLICY_UNSUPPORTED, TOO_MANY_COPIES
   */
  async set(image: string, settings: PropagationSettings): Promise<string[]> {
    for (const place of placesOf(settings)) this.#cluster.nodeOf(place);
    await this.#refuseEndlessWait(image, settings);
    const head = await this.#cluster.controller.catalogue.call('propagation.set', { image, settings });
    return this.#tell(head);
  }

  /**
   * A guest whose flushes wait for more copies than there are places for waits for ever.
   * @throws OperationError NO_IMAGE, TOO_MANY_COPIES
   */
  async #refuseEndlessWait(image: string, { policy }: PropagationSettings): Promise<void> {
    if ((policy.mode !== 'sync' && policy.mode !== 'sync-write') || policy.whenDegraded !== 'wait') return;
    const { writer, holder } = await this.#cluster.controller.catalogue.call('image.head', { image });
    const clouds = this.#cluster.endpoints().map(({ node }) => this.#cluster.nodeOf(node).cloud);
    const own = this.#cluster.nodeOf(writer ?? holder).cloud;
    const isWorld = policy.scope === 'world';
    const places = isWorld ? new Set(clouds).size : clouds.filter((cloud) => cloud === own).length;
    if (policy.copies <= places) return;
    const there = isWorld
      ? `there are ${places} clouds`
      : `cloud ${own} has ${places} ${places === 1 ? 'node' : 'nodes'}`;
    throw new OperationError(
      'TOO_MANY_COPIES',
      `each flush of image ${image} would wait for ever: ${policy.copies} copies are asked for, and ${there}`,
      { remedy: 'Ask for fewer copies, let more nodes join first, or say --when-degraded continue.' },
    );
  }

  /** Tells writers what they have not heard from this process, where they are there. Meant to be repeated. */
  async repeat(): Promise<void> {
    const { heads } = await this.#cluster.controller.catalogue.call('image.list', {});
    const open = heads.filter(({ writer, propagation }) => writer !== null && propagation !== undefined);
    const names = new Set(open.map(({ image }) => image));
    for (const image of this.#told.keys()) if (!names.has(image)) this.#told.delete(image);
    await Promise.all(
      open.map(async (head) => {
        if ((await this.#tell(head)).length === 0) await this.#followers(head);
      }),
    );
  }

  /** Has the nodes that the writer would push to follow its table. Never rejects. */
  async #followers({ image, bytes, stack, epoch, writer, transfer, cut, propagation }: Head): Promise<void> {
    // While either stands, the tables of the image are somebody else's business.
    const pushes = propagation?.policy.mode === 'proactive' || propagation?.policy.mode === 'async';
    if (writer === null || transfer !== null || cut !== null || !pushes) return;
    if (!this.#cluster.isUp(writer)) return;
    const { destinations = [] } = (await this.#ask(image, writer)) ?? {};
    const order = { image, bytes, stack, epoch, from: this.#cluster.endpoint(writer) };
    const nodes = destinations.map(({ node }) => node).filter((node) => this.#cluster.isUp(node));
    await Promise.all(nodes.map((node) => this.#follow(node, order)));
  }

  async #follow(node: string, order: Params<typeof blockdContract, 'replica.follow'>): Promise<void> {
    try {
      await this.#cluster.clients(node).blockd.call('replica.follow', order);
    } catch (error) {
      this.#log.info({ image: order.image, node, reason: messageOf(error) }, 'it does not follow the image yet');
    }
  }

  /** Null of a writer that cannot be asked. */
  async #ask(image: string, writer: string): Promise<PropagationView['status']> {
    try {
      return (await this.#cluster.clients(writer).blockd.call('propagation.show', { image })).status;
    } catch (error) {
      this.#log.info({ image, node: writer, reason: messageOf(error) }, 'its propagation is not known now');
      return null;
    }
  }

  /**
   * Tells the writer the head's settings, and where the image is being moved to: its guest's flushes wait there for what
   * is wanted now. Answers who does not know them yet. Never rejects.
   */
  async #tell({ image, writer, epoch, transfer, propagation }: Head): Promise<string[]> {
    if (writer === null || propagation === undefined) return [];
    const nodes = transfer === null ? [writer] : [writer, transfer.to];
    const word = JSON.stringify([nodes, epoch, propagation]);
    if (this.#told.get(image) === word) return [];
    const told = await Promise.all(nodes.map((node) => this.#tellAt(node, image, propagation)));
    if (!told.includes(false)) this.#told.set(image, word);
    return nodes.filter((_, at) => told[at] === false);
  }

  async #tellAt(node: string, image: string, settings: PropagationSettings): Promise<boolean> {
    if (!this.#cluster.isUp(node)) return false;
    try {
      await this.#cluster.clients(node).blockd.call('propagation.set', { image, settings });
      return true;
    } catch (error) {
      this.#log.warn({ image, node, reason: messageOf(error) }, 'its propagation is told later');
      return false;
    }
  }
}

/** The clouds and nodes that the settings name. */
function placesOf({ policy, transitions, prices, snapshots }: PropagationSettings): Set<string> {
  const named = [...transitions, ...prices].flatMap(({ from, to }) => [from, to]);
  const places = [policy.mode === 'async' ? policy.place : undefined, snapshots?.place, ...named];
  return new Set(places.filter((place) => place !== undefined));
}
