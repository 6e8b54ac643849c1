// How often the parts of an image are read and written where it is written, for people. Shapes only.
import { Type } from '#typebox';

/** Cells of one map at most: a terminal has room for no more. */
export const HEAT_CELLS_MAX = 4_096;
export const HeatCells = Type.Integer({ minimum: 1, maximum: HEAT_CELLS_MAX });

const Events = Type.Array(Type.Number({ minimum: 0 }), { maxItems: HEAT_CELLS_MAX });

/**
 * Cells side by side from the image's beginning on, each of so many blocks (the last one of the rest). Reads and writes of
 * its blocks, added up, an event counting half after ten minutes.
 */
export const HeatMap = Type.Object({ cellBlocks: Type.Integer({ minimum: 1 }), reads: Events, writes: Events });
export type HeatMap = Type.Static<typeof HeatMap>;
