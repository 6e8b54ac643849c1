// The agent's journal with its meaning at hand. An append that fails leaves it unknown whether a decision is on the
// disk: then the process must end and read it again, never guess.
import { join } from 'node:path';
import type { Disk } from '../common/disk/disk.ts';
import { OperationError } from '../common/errors.ts';
import { Journal } from '../common/journal/journal.ts';
import { AgentRecord, AgentState } from './agent-records.ts';

/** A journal beyond this is rewritten at the start; thousands of migrations. */
const REWRITE_BYTES = 1 << 20;

export class AgentJournal {
  readonly state: AgentState;
  readonly #journal: Journal<AgentRecord>;
  /** Ends the process; called once with what went wrong. */
  readonly #fail: (error: unknown) => void;

  private constructor(journal: Journal<AgentRecord>, state: AgentState, fail: (error: unknown) => void) {
    this.#journal = journal;
    this.state = state;
    this.#fail = fail;
  }

  /** @throws OperationError JOURNAL_DAMAGED, JOURNAL_UNREADABLE */
  static async open(disk: Disk, directory: string, fail: (error: unknown) => void): Promise<AgentJournal> {
    await disk.makeDirectory(directory);
    const { journal, records } = await Journal.open(disk, join(directory, 'hypervisor.journal'), AgentRecord);
    const state = AgentState.of(records);
    if (journal.sizeBytes > REWRITE_BYTES) await journal.rewrite(state.compact());
    return new AgentJournal(journal, state, fail);
  }

  /** Durable when it resolves. It never rejects: what follows a failure is a new process. */
  async append(...records: AgentRecord[]): Promise<void> {
    try {
      await this.#journal.append(...records);
    } catch (error) {
      this.#fail(error);
      await new Promise<never>(() => undefined);
    }
    for (const record of records) this.state.apply(record);
  }

  /**
   * Keeps the highest term of a controller that has spoken here.
   * @throws OperationError OLD_TERM for a command of an earlier controller (SOUNDNESS B8)
   */
  async admit(term: number): Promise<void> {
    const { term: newest } = this.state;
    if (term < newest)
      throw new OperationError('OLD_TERM', `a command of term ${term} came after one of term ${newest}`, {
        remedy: 'Another controller has taken over; ask that one.',
      });
    if (term > newest) await this.append({ kind: 'term', term });
  }

  close(): Promise<void> {
    return this.#journal.close();
  }
}
