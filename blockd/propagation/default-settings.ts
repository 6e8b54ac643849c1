// How an image's blocks get to other places when nobody has said anything: not before they are asked for.
import type { PropagationSettings } from '../../wire/contracts/propagation.ts';
import { PAPER_K, PAPER_S } from './push-priority.ts';

export const DEFAULT_SETTINGS: PropagationSettings = {
  policy: { mode: 'on-demand' },
  k: PAPER_K,
  s: PAPER_S,
  rateBytesPerSecond: null,
  money: null,
  prices: [],
  transitions: [],
  snapshots: null,
};
