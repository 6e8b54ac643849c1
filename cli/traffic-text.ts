// What VMs sent one another, for a terminal: a line for each pair.
import { formatBytes } from '../common/terminal/progress.ts';
import { formatTable } from '../common/terminal/table.ts';
import type { NetworkFigures } from '../wire/contracts/traffic.ts';

const COLUMNS = [
  { title: 'FROM' },
  { title: 'TO' },
  { title: 'BYTES', figures: true },
  { title: 'FRAMES', figures: true },
];

export function describeTraffic({ pairs, unreachable }: NetworkFigures): string {
  const rows = pairs.map(({ from, to, bytes, frames }) => [from, to ?? '(no VM)', formatBytes(bytes), `${frames}`]);
  return [
    rows.length === 0 ? 'no VM has sent anything yet' : formatTable(COLUMNS, rows),
    ...(unreachable.length === 0 ? [] : [`not reached, and so not counted in: ${unreachable.join(', ')}`]),
  ].join('\n');
}
