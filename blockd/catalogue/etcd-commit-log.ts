// The record that every commit of a catalogue in etcd writes: its revision is what a decision has seen, its text the
// newest commits, by which another catalogue catches up without reading everything. (A watch would tell the same, but
// etcd looks after a watch of the past only every 100 ms.)
import { Type } from '#typebox';
import { SchemaCheck } from '../../common/schema-check.ts';
import { readRecord } from './catalogue-records.ts';
import type { EtcdRecord } from './etcd-messages.ts';

/** The key of the record. */
export const COMMIT = 'commit';

/** A catalogue that missed more reads everything anew; 16 commits are about 2 KB to write each time. */
const COMMITS_KEPT = 16;

const Commit = Type.Object({
  /** Chosen by who committed, so that it knows its own when the answer was lost. */
  name: Type.String(),
  /** The revision of the commit before. */
  after: Type.Integer({ minimum: 0 }),
  /** The records that it wrote or removed. */
  keys: Type.Array(Type.String()),
});
type Commit = Type.Static<typeof Commit>;
const check = new SchemaCheck(Type.Array(Commit));

/** The newest commits, as they stood at one revision. */
export class CommitLog {
  /** Of the newest commit; 0 before the first. */
  readonly revision: number;
  readonly #commits: readonly Commit[];

  private constructor(revision: number, commits: readonly Commit[]) {
    this.revision = revision;
    this.#commits = commits;
  }

  /** @throws OperationError CATALOGUE_DAMAGED */
  static read(record: EtcdRecord | undefined): CommitLog {
    return record === undefined
      ? new CommitLog(0, [])
      : new CommitLog(record.revision, readRecord(check, COMMIT, record.value));
  }

  get names(): string[] {
    return this.#commits.map(({ name }) => name);
  }

  /** The text of the record with one more commit. */
  with(name: string, keys: readonly string[]): string {
    const commit = { name, after: this.revision, keys };
    return JSON.stringify([commit, ...this.#commits.slice(0, COMMITS_KEPT - 1)]);
  }

  /** The records that commits after that revision changed, each once; undefined if the log does not reach back. */
  changedSince(revision: number): string[] | undefined {
    const oldest = this.#commits.findIndex(({ after }) => after === revision);
    if (oldest === -1) return undefined;
    return [...new Set(this.#commits.slice(0, oldest + 1).flatMap(({ keys }) => keys))];
  }
}
