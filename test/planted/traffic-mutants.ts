// Bugs to plant in what is counted of guests' traffic. Not a test itself.
import type { Mutant } from './mutant-run.ts';

const TRAFFIC = 'unit/sdnd/traffic';

export const TRAFFIC_MUTANTS: readonly Mutant[] = [
  {
    name: 'a counter that has begun anew is taken off what was counted',
    room: 'sdnd/traffic/traffic-book.ts',
    find: 'if (before === undefined || now.frames < before.frames || now.bytes < before.bytes) return now;',
    replace: 'if (before === undefined) return now;',
    by: TRAFFIC,
  },
  {
    name: 'what was counted before a restart is counted again',
    room: 'sdnd/traffic/traffic-book.ts',
    find: 'for (const { table, owner, rows } of state.seen) this.#seen.set(table, { owner, rows: byReceiver(rows) });',
    replace: '',
    by: TRAFFIC,
  },
  {
    name: 'receivers are kept apart without end',
    room: 'sdnd/traffic/traffic-book.ts',
    find: 'sums.has(to) || isRoom ? to : REST',
    replace: 'sums.has(to) || sums.size >= 0 ? to : REST',
    by: TRAFFIC,
  },
  {
    name: 'a table goes before what it has counted is on the disk',
    room: 'sdnd/traffic/traffic-keeper.ts',
    find: 'if (past.length > 0 || isDue) await this.#keep();',
    replace: 'if (isDue) await this.#keep();',
    by: TRAFFIC,
  },
];
