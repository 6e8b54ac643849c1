// Tables for a terminal: columns aligned, no rules, figures to the right. What a program reads is JSON, never this.
import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';

/** A column's title, and whether it holds figures. */
export interface Column {
  readonly title: string;
  readonly figures?: boolean;
}

const NO_BORDER = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '', bottom: '', 'bottom-mid': '', 'bottom-left': '' },
  ...{ 'bottom-right': '', left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' },
};

const GAP_COLUMNS = 2;
/** A last column narrower than this is harder to read than a line that the terminal breaks. */
const LAST_COLUMNS_MIN = 16;

/**
 * Lines of text, without colours where the output is no terminal. Where they are wider than the terminal (`width`; none: any),
 * the words of the last column go on in further lines.
 */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined = process.stdout.columns,
): string {
  const table = new Table({
    ...lastWithin(columns, rows, width),
    head: columns.map(({ title }) => title),
    colAligns: columns.map(({ figures }) => (figures === true ? 'right' : 'left')),
    chars: NO_BORDER,
    style: { head: process.stdout.isTTY ? ['bold'] : [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Nothing where all fits, or where it cannot be made to. */
function lastWithin(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  width: number | undefined,
): { colWidths?: (number | null)[]; wordWrap?: boolean } {
  const widths = columns.map(({ title }, at) =>
    Math.max(...[title, ...rows.map((row) => row[at] ?? '')].map((cell) => stripVTControlCharacters(cell).length)),
  );
  const before = widths.slice(0, -1).reduce((sum, one) => sum + one + GAP_COLUMNS, 0);
  const last = (width ?? Number.POSITIVE_INFINITY) - before;
  if (last >= (widths.at(-1) ?? 0) || last < LAST_COLUMNS_MIN) return {};
  return { colWidths: [...columns.slice(1).map(() => null), last], wordWrap: true };
}
