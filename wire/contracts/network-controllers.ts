// The overlay's controllers as the orchestrator knows them: one is active under a term, the others stand by. Shapes only.
import { Type } from '#typebox';
import { Name } from '../names.ts';

/** Counts reigns: no two controllers are ever active under one term. It is the switches' generation id too (OpenFlow 1.3.5, 6.3.6). */
export const NetworkTerm = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });

export const ControllerRole = Type.Union([Type.Literal('active'), Type.Literal('standby')]);

/** One controller. */
export const ControllerState = Type.Object({
  node: Name,
  /** The one that was chosen: whether it is active already, its role says. */
  isChosen: Type.Boolean(),
  /** `unreachable`: it did not answer when it was last asked. */
  role: Type.Union([ControllerRole, Type.Literal('unreachable')]),
  /** The highest term that it has heard of; of the active one its own. */
  term: Type.Integer({ minimum: 0 }),
  /** Nodes whose switch has a session with it. */
  switches: Type.Array(Name),
});
export type ControllerState = Type.Static<typeof ControllerState>;
