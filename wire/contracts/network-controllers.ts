// The overlay's controllers: one is active under a term, the others stand by. Shapes only.
import { Type } from 'typebox';

/** Counts reigns: no two controllers are ever active under one term. It is the switches' generation id too (OpenFlow 1.3.5, 6.3.6). */
export const NetworkTerm = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

export const ControllerRole = Type.Union([Type.Literal('active'), Type.Literal('standby')]);
