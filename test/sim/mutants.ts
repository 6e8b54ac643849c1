// Planted bugs: one line of a real room is replaced in a patched copy outside the tree, which is loaded in the room's
// place. The rooms themselves know nothing of it. A mutant whose line is gone fails loudly, so that none goes stale.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { HoldCast } from './hold-world.ts';

const HYPERVISOR = new URL('../../hypervisor/migration/', import.meta.url);

export interface Patch {
  readonly room: 'hold-source.ts' | 'hold-destination.ts';
  readonly find: string;
  readonly replace: string;
}

/** A bug in a room of ours, or in a neighbour as the simulation models it. */
export type Mutant = { readonly name: string } & ({ readonly patch: Patch } | { readonly cast: HoldCast });

export const HOLD_MUTANTS: readonly Mutant[] = [
  { name: 'the destination autostarts (QEMU without -S)', cast: { autostart: true } },
  { name: 'exports refuse instead of freezing', cast: { refusesWhenFrozen: true } },
  { name: 'a late freeze is obeyed after its thaw', cast: { forgetsThaw: true } },
  {
    name: 'the destination starts without its record',
    patch: {
      room: 'hold-destination.ts',
      find: "return this.#record('started');",
      replace: "return this.#end('started', 0);",
    },
  },
  {
    name: 'the destination starts without the digest',
    patch: {
      room: 'hold-destination.ts',
      find: 'if (!this.#isLoaded || !this.#isEqual) return [];',
      replace: 'if (!this.#isLoaded || !this.#closings) return [];',
    },
  },
  {
    name: 'a different digest is taken for an equal one',
    patch: { room: 'hold-destination.ts', find: 'if (!equal) return', replace: 'if (!equal && reason === "") return' },
  },
  {
    name: 'the destination starts before the memory is loaded',
    patch: {
      room: 'hold-destination.ts',
      find: 'if (!this.#isLoaded || !this.#isEqual) return [];',
      replace: 'if (!this.#isEqual) return [];',
    },
  },
  {
    name: 'the destination starts before the record is durable',
    patch: {
      room: 'hold-destination.ts',
      find: "return [{ type: 'journal', record }];",
      replace: "return [{ type: 'journal', record }, ...this.#journaled(record, 0)];",
    },
  },
  {
    name: 'a refusal is obeyed after the decision',
    patch: {
      room: 'hold-destination.ts',
      find: "if (this.#phase !== 'waiting') return [];\n    this.#phase = 'killing';",
      replace: "if (this.#phase === 'killing') return [];\n    this.#phase = 'killing';",
    },
  },
  {
    name: 'the destination forgets its record at a restart',
    patch: {
      room: 'hold-destination.ts',
      find: 'if (!record) return this.#refuse',
      replace: "if (record !== 'refused') return this.#refuse",
    },
  },
  {
    name: 'the source thaws on silence',
    patch: {
      room: 'hold-source.ts',
      find: 'this.#undecidedTold = true;',
      replace: "return this.#end('refused', nowMs);",
    },
  },
  {
    name: 'the source thaws at its deadline',
    patch: {
      room: 'hold-source.ts',
      find: "if (this.#phase !== 'released')\n      return this.#recall",
      replace: "if (this.#phase !== 'new')\n      return this.#recall",
    },
  },
  {
    name: 'the source thaws when the memory fails after the release',
    patch: {
      room: 'hold-source.ts',
      find: "if (this.#phase === 'memory' ||",
      replace: "if (this.#phase === 'released' || this.#phase === 'memory' ||",
    },
  },
  {
    name: 'the source thaws after a restart',
    patch: {
      room: 'hold-source.ts',
      find: 'return this.#beginReleased(last.closings, nowMs);',
      replace: "return this.#recall('', nowMs);",
    },
  },
  {
    name: 'the release is sent before it is durable',
    patch: {
      room: 'hold-source.ts',
      find: "return [{ type: 'journal', record: { kind: 'released', closings } }];",
      replace: "return [{ type: 'journal', record: { kind: 'released', closings } }, ...this.#released(nowMs)];",
    },
  },
  {
    name: 'the port is not closed',
    patch: {
      room: 'hold-source.ts',
      find: "return [{ type: 'closePort' }];",
      replace: 'return this.#portClosed(nowMs);',
    },
  },
  {
    name: 'the source keeps its copy after the destination started',
    patch: { room: 'hold-source.ts', find: "[['kill'], ['releaseWriter', 'detachPort']]", replace: "[['detachPort']]" },
  },
  {
    name: 'an abort after the release is obeyed alone',
    patch: {
      room: 'hold-source.ts',
      find: "return this.#phase === 'released' ? this.#wantRefusal(reason, nowMs) :",
      replace: "return this.#phase === 'released' ? this.#recall(reason, nowMs) :",
    },
  },
];

/** The cast with the bug in it. */
export async function plantMutant(mutant: Mutant): Promise<HoldCast> {
  if ('cast' in mutant) return mutant.cast;
  const { room, find, replace } = mutant.patch;
  const text = readFileSync(new URL(room, HYPERVISOR), 'utf8');
  if (text.split(find).length !== 2) throw new Error(`mutant "${mutant.name}": its line is not once in ${room}`);
  const directory = mkdtempSync(join(tmpdir(), 'mutant-'));
  try {
    const path = join(directory, room);
    writeFileSync(path, text.replace(find, () => replace).replaceAll(/from '(\.[^']*)'/g, rebase));
    const patched = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
    return room === 'hold-source.ts'
      ? ({ Source: patched.HoldSource } as HoldCast)
      : ({ Destination: patched.HoldDestination } as HoldCast);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function rebase(_: string, specifier: string): string {
  return `from '${new URL(specifier, HYPERVISOR).href}'`;
}
