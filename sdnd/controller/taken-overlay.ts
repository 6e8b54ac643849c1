// What a controller that takes over begins with: its term, the links as they were last measured, and nobody's place. What it
// knew of guests in an earlier time is their past, by which flows may go that nobody wants any more (SOUNDNESS C4). Pure.
import type { MeshLink } from '../../wire/contracts/sdnd.ts';
import { Overlay } from './overlay.ts';

/** Members, networks, bindings and migrations are told by the orchestrator before a switch is touched. */
export function takenOverlay(before: Overlay, term: number, links: readonly MeshLink[]): Overlay {
  const past = before.records().filter(({ kind }) => kind === 'past');
  const left = [...before.bindings.values()].map((guest) => ({ kind: 'past', guest }) as const);
  return new Overlay([{ kind: 'term', term }, { kind: 'links', links: [...links] }, ...past, ...left]);
}
