// Keeps catalogue and stores known to each other: a catalogue that was started is compared with every store before it grants
// anything there, and every store keeps the catalogue's newest records (SOUNDNESS A17, D1). What follows from a difference
// the catalogue decides.
import { isNewerMark } from '../../common/catalogue-mark.ts';
import { messageOf } from '../../common/errors.ts';
import type { Log } from '../../common/log.ts';
import type { CatalogueMark, KeptRecords } from '../../wire/contracts/store-report.ts';
import type { Cluster } from '../cluster.ts';

export class CatalogueWatch {
  readonly #cluster: Cluster;
  readonly #log: Log;
  /** What each node's store keeps, as far as it was told. */
  readonly #kept = new Map<string, string>();
  readonly #comparing = new Map<string, Promise<void>>();
  #behind = '';

  constructor(options: { cluster: Cluster; log: Log }) {
    this.#cluster = options.cluster;
    this.#log = options.log;
  }

  /** Compares with whoever was not compared yet, and tells whoever does not keep the newest records. */
  async look(): Promise<void> {
    await this.compareAll();
    const { state } = await this.#cluster.controller.catalogue.call('catalogue.state', {});
    const late = this.#upNodes().filter((node) => this.#kept.get(node) !== nameOf(state));
    // What is behind is told to nobody: their copies are newer.
    if (late.length === 0 || state.behind !== '') return;
    const records = await this.#cluster.controller.catalogue.call('records.list', {});
    await Promise.all(late.map((node) => this.#keepAt(node, records)));
  }

  /** The newest records are at the node when this answers, if it can be told: it minds what they say of pins. */
  async keep(node: string): Promise<void> {
    await this.#keepAt(node, await this.#cluster.controller.catalogue.call('records.list', {}));
  }

  async #keepAt(node: string, records: KeptRecords): Promise<void> {
    try {
      const { mark } = await this.#cluster.clients(node).blockd.call('records.keep', records);
      this.#kept.set(node, nameOf(mark));
      if (isNewerMark(mark, records.mark)) await this.compare(node);
    } catch (error) {
      this.#log.info({ node, reason: messageOf(error) }, "the catalogue's records are not kept there yet");
    }
  }

  /** Compares the catalogue with the stores that it has not heard since its start, where they can be asked. */
  async compareAll(): Promise<void> {
    const { heard } = await this.#cluster.controller.catalogue.call('catalogue.state', {});
    const unheard = this.#upNodes().filter((node) => !heard.includes(node));
    await Promise.all(
      unheard.map((node) =>
        this.compare(node).catch((error: unknown) =>
          this.#log.info({ node, reason: messageOf(error) }, 'the catalogue is not compared with its store yet'),
        ),
      ),
    );
  }

  /** One comparison per node at a time. @throws OperationError of the node or the catalogue */
  compare(node: string): Promise<void> {
    const running = this.#comparing.get(node);
    if (running !== undefined) return running;
    const comparing = this.#compare(node).finally(() => this.#comparing.delete(node));
    this.#comparing.set(node, comparing);
    return comparing;
  }

  async #compare(node: string): Promise<void> {
    const report = await this.#cluster.clients(node).blockd.call('store.report', {});
    const { behind, doubtful } = await this.#cluster.controller.catalogue.call('store.heard', { node, report });
    if (report.kept !== null) this.#kept.set(node, nameOf(report.kept));
    if (behind !== this.#behind && behind !== '')
      this.#log.error({ reason: behind }, 'the catalogue is not the newest');
    this.#behind = behind;
    for (const image of doubtful) this.#log.error({ node, image }, 'an image may not be in its newest state');
  }

  #upNodes(): string[] {
    return this.#cluster.endpoints().flatMap(({ node }) => (this.#cluster.isUp(node) ? [node] : []));
  }
}

function nameOf({ incarnation, serial }: CatalogueMark): string {
  return `${incarnation}/${serial}`;
}
