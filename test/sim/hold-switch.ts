// A model of a node's switch agent as the hold sees it: one guest port, attached or not, open or closed.
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

export class SimSwitch {
  readonly process: SimProcess;
  isAttached = true;
  isOpen: boolean;

  constructor(node: string, world: World, isOpen: boolean) {
    this.isOpen = isOpen;
    this.process = new SimProcess(`${node}.switch`, node, world.clock, () => undefined);
  }

  setOpen(isOpen: boolean): void {
    this.isOpen = isOpen && this.isAttached;
  }

  detach(): void {
    this.isAttached = false;
    this.isOpen = false;
  }
}
