// Which flows a switch should have, computed from who is where. Pure: the same overlay and the same ports give the same
// flows, whatever was installed before. The pipeline that they fill is described in the room `pipeline`.
import type { Flow } from '../flow.ts';
import { Scene } from './scene.ts';
import type { OverlayView, SwitchView } from './view.ts';

/** All flows that a switch should have; the agent's own are not among them. */
export function wantedFlows(overlay: OverlayView, view: SwitchView): Flow[] {
  return new Scene(overlay, view).flows();
}
