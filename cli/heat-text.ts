// A heat map for a terminal: a character per cell, darker for more, reads and writes apart. Says what a shade means, and
// uses colours only where `styleText` does (a terminal, and NO_COLOR not set).
import { styleText } from 'node:util';
import { formatBytes } from '../common/terminal/progress.ts';
import { HEAT_CELLS_MAX, type HeatMap } from '../wire/contracts/heat.ts';

const BLOCK_BYTES = 4096;
const COLUMNS_DEFAULT = 80;
const COLUMNS_MIN = 20;
const LABEL_COLUMNS = 8;
/** Lines of one map; both fit on a small screen with what stands above them. */
const ROWS = 4;
/** From no event to the most; each shade is four times the one before it. */
const SHADES = ['·', '░', '▒', '▓', '█'] as const;
const STEP = 4;

/** How many cells of one map fit a terminal of so many columns. */
export function heatCells(columns = COLUMNS_DEFAULT): number {
  return Math.min(HEAT_CELLS_MAX, ROWS * cellColumns(columns));
}

function cellColumns(columns: number): number {
  return Math.max(COLUMNS_MIN, columns) - LABEL_COLUMNS;
}

/** The shade of a count beside the largest of its map: 0 is none, the darkest within a factor of four of it. */
export function shadeOf(events: number, most: number): number {
  if (events <= 0) return 0;
  return Math.max(1, SHADES.length - 1 - Math.floor(Math.log(most / events) / Math.log(STEP)));
}

type Colour = 'cyan' | 'yellow';

function linesOf(name: string, events: readonly number[], width: number, colour: Colour): string[] {
  const most = Math.max(...events);
  const cells = events.map((count) => SHADES[shadeOf(count, most)] ?? '');
  const rows = Math.ceil(cells.length / width);
  return Array.from({ length: rows }, (_, row) => {
    const line = cells.slice(row * width, (row + 1) * width).join('');
    return `${(row === 0 ? name : '').padEnd(LABEL_COLUMNS)}${styleText(colour, line)}`;
  });
}

/** The two maps, and a line on what they show; without a map a line on why there is none. */
export function describeHeat(map: HeatMap | null, columns = COLUMNS_DEFAULT): string {
  if (map === null)
    return 'heat    not noted: the image is not open, its node cannot be asked, or it is alone and no other is to be told';
  const { cellBlocks, reads, writes } = map;
  const width = cellColumns(columns);
  const most = (events: readonly number[], name: string): string => {
    const count = Math.round(Math.max(...events));
    return `${count} ${name}${count === 1 ? '' : 's'}`;
  };
  return [
    `heat    ${formatBytes(cellBlocks * BLOCK_BYTES)} a character; █: ${most(reads, 'read')}, ${most(writes, 'write')}; each lighter shade a quarter`,
    ...linesOf('reads', reads, width, 'cyan'),
    ...linesOf('writes', writes, width, 'yellow'),
  ].join('\n');
}
