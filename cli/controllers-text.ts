// The overlay's controllers for a terminal: one a line, the one that was chosen marked.
import { formatTable } from '../common/terminal/table.ts';
import type { ControllerState } from '../wire/contracts/network-controllers.ts';

const COLUMNS = ['NODE', 'ROLE', 'CHOSEN', 'TERM', 'SWITCHES'].map((title) => ({ title }));

export function describeControllers(controllers: readonly ControllerState[]): string {
  const rows = controllers.map(({ node, isChosen, role, term, switches }) => {
    const isHeard = role !== 'unreachable';
    return [node, role, isChosen ? 'yes' : '', isHeard ? String(term) : '', isHeard ? switches.join(' ') : ''];
  });
  return formatTable(COLUMNS, rows);
}
