// An image for a person: what it is, which version, who holds what of it, and how its blocks get elsewhere.
import { formatByteSize } from '../common/terminal/byte-size.ts';
import { formatBytes, formatMs } from '../common/terminal/progress.ts';
import { formatTable } from '../common/terminal/table.ts';
import type { Head } from '../wire/contracts/catalogue.ts';
import type { ImageLayer, ImageState } from '../wire/contracts/cluster-state.ts';
import { describeCopies } from './commands/policy-words.ts';
import { describeHeat } from './heat-text.ts';

const BLOCK_BYTES = 4096;

const inBytes = (blocks: number): string => formatBytes(blocks * BLOCK_BYTES);

/** One line each; why an image may not be its newest state has a column only where one is in doubt. */
export function describeImages(heads: readonly Head[], isAlone = false): string {
  const isAnyDoubtful = heads.some(({ doubt }) => doubt !== undefined);
  const columns = [
    ...[{ title: 'IMAGE' }, { title: 'SIZE', figures: true }, { title: 'EPOCH', figures: true }, { title: 'OPEN AT' }],
    ...(isAnyDoubtful ? [{ title: 'IN DOUBT' }] : []),
  ];
  const rows = heads.map((head) => [
    ...[head.image, formatByteSize(head.bytes), `${head.epoch}`],
    head.writer ?? (head.readers === undefined ? 'closed' : `${head.readers.join(', ')} (reading)`),
    ...(isAnyDoubtful ? [head.doubt ?? 'no'] : []),
  ]);
  const table = formatTable(columns, rows);
  if (!isAnyDoubtful) return table;
  const advice = isAlone
    ? 'what is in doubt is served to nobody; supercloud image show says what to do'
    : 'what is in doubt is opened and moved by nobody; supercloud catalogue rebuild shows what would be lost of it';
  return `${table}\n${advice}`;
}

/** The whole of it, for a terminal of so many columns. */
export function describeImage(state: ImageState, columns?: number): string {
  const { head, layers, unreachable, heat } = state;
  return [
    ...summaryOf(state),
    '',
    describeStores(state),
    '',
    describeLayers(layers),
    '',
    describeHeat(heat, columns),
    ...(unreachable.length > 0 ? [`not reached: ${unreachable.join(', ')}`] : []),
    ...(head.cut === null
      ? []
      : [`a ${head.cut.bytes === undefined ? 'snapshot' : 'larger size'} of it is being made`]),
  ].join('\n');
}

/** What would be lost with the disk of its writer now. */
function describeRecovery({ place, rpoSeconds, lostMs, isLate, reason }: NonNullable<ImageState['recovery']>): string {
  const lost = lostMs === null ? 'nothing is there yet' : `at most the last ${formatMs(lostMs)} would be lost`;
  const verdict = isLate ? `; LATE, the RPO is ${rpoSeconds} s` : `, within the RPO of ${rpoSeconds} s`;
  return `recovery at ${place}: ${lost}${verdict}${reason === '' ? '' : ` (${reason})`}`;
}

/** One layer may hide another's blocks, and what was zeroed is an entry too: how much is seen nobody counts. */
function usedOf({ head, stores, layers }: ImageState): string {
  const written = layers.map(({ holders }) => Math.max(0, ...holders.map(({ layer }) => layer.writtenBlocks)));
  const inLayers = written.reduce((sum, blocks) => sum + blocks, 0);
  const blocks = Math.max(0, ...stores.map(({ store }) => store.writtenBlocks));
  const usedBytes = Math.min(head.bytes, BLOCK_BYTES * (stores.length > 0 ? blocks : inLayers));
  const percent = Math.round((100 * usedBytes) / Math.max(1, head.bytes));
  return `up to ${formatBytes(usedBytes)} of it used (${percent} %)`;
}

function summaryOf(state: ImageState): string[] {
  const { head, stores, recovery } = state;
  const writer = stores.find(({ node }) => node === head.writer)?.store;
  const sequence = writer?.lastSequence ?? head.last.lastSequence;
  return [
    `name     ${head.image}`,
    `size     ${formatByteSize(head.bytes)}, ${usedOf(state)}`,
    `version  epoch ${head.epoch}, sequence ${sequence}, generation ${head.stack.generation} of its layers`,
    `open at  ${head.writer ?? describeReaders(state.readers)}`,
    `policy   ${head.propagation?.policy.mode ?? 'on-demand'}`,
    ...(recovery === null ? [] : [describeRecovery(recovery)]),
    ...(head.pin === undefined ? [] : [`pinned   to ${head.pin.place} (${head.pin.nodes.join(', ')})`]),
    ...(head.doubt === undefined ? [] : [`in doubt ${head.doubt}`]),
    ...stores.flatMap(({ store }) => (store.copies === undefined ? [] : describeCopies(store.copies))),
  ];
}

/** Of an image that nobody writes: who reads it. */
function describeReaders(readers: ImageState['readers']): string {
  if (readers.length === 0) return 'nowhere (closed)';
  const each = readers.map(({ node, clients }) =>
    clients === null ? `${node} (not reached)` : `${node} (${clients} ${clients === 1 ? 'client' : 'clients'})`,
  );
  return `${each.join(', ')}, for reading`;
}

function describeStores({ stores }: ImageState): string {
  const columns = [
    ...[{ title: 'STORE' }, { title: 'ROLE' }, { title: 'WRITTEN', figures: true }, { title: 'LOCAL', figures: true }],
    ...[
      { title: 'READS', figures: true },
      { title: 'WRITES', figures: true },
    ],
    ...[{ title: 'SCRUBBED' }, { title: 'DEPENDS ON' }],
  ];
  if (stores.length === 0) return 'no node that can be asked has had it open yet';
  const rows = stores.map(({ node, store }) => [
    ...[node, store.role, inBytes(store.writtenBlocks), inBytes(store.localBlocks)],
    ...[`${store.counters.reads}`, `${store.counters.writes}`],
    store.scrubbedAtMs === null ? 'never' : new Date(store.scrubbedAtMs).toISOString().slice(0, 16).replace('T', ' '),
    dependence(store.dependsOn),
  ]);
  return formatTable(columns, rows);
}

function dependence(dependsOn: ImageState['stores'][number]['store']['dependsOn']): string {
  if (dependsOn.length === 0) return 'none (independent)';
  return dependsOn.map(({ node, blocks }) => `${node} (${inBytes(blocks)})`).join(', ');
}

function describeLayers(layers: readonly ImageLayer[]): string {
  const columns = [
    ...[{ title: 'LAYER' }, { title: 'SIZE', figures: true }, { title: 'WRITTEN', figures: true }],
    ...[{ title: 'SEQUENCE', figures: true }, { title: 'HELD BY (OF ITS BLOCKS)' }],
  ];
  const rows = layers.map(({ layer, bytes, isTop, lastSequence, holders }) => {
    const writtenBlocks = Math.max(0, ...holders.map((holder) => holder.layer.writtenBlocks));
    const held = holders.map(({ node, layer: { localBlocks, writtenBlocks: known } }) => {
      const isAll = localBlocks === writtenBlocks && known === writtenBlocks;
      return `${node} (${isAll ? 'all' : `${localBlocks} of ${writtenBlocks}`})`;
    });
    const name = isTop ? `${layer} (top)` : layer;
    return [name, formatByteSize(bytes), inBytes(writtenBlocks), `${lastSequence}`, held.join(', ')];
  });
  return formatTable(columns, rows);
}
