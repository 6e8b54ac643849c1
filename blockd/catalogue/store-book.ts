// Which stores this catalogue was compared with since it was started, and what they said. What is granted to a store that
// has said nothing yet could have been granted before: it is asked first.
import { OperationError } from '../../common/errors.ts';
import type { StoreReport } from '../../wire/contracts/store-report.ts';

/** The newest word of each store. */
export class StoreBook {
  readonly #reports = new Map<string, StoreReport>();

  take(node: string, report: StoreReport): void {
    this.#reports.set(node, report);
  }

  get nodes(): string[] {
    return [...this.#reports.keys()];
  }

  get reports(): ReadonlyMap<string, StoreReport> {
    return this.#reports;
  }

  /** @throws OperationError STORE_UNHEARD */
  check(node: string): void {
    if (!this.#reports.has(node)) throw unheard(`the store of node ${node}`);
  }

  /** What may be the end of layers needs the word of some store. @throws OperationError STORE_UNHEARD */
  checkAny(): void {
    if (this.#reports.size === 0) throw unheard('any store');
  }
}

function unheard(whose: string): OperationError {
  return new OperationError('STORE_UNHEARD', `the catalogue was started and not compared with ${whose} yet`, {
    remedy: 'Try again in some seconds; see that blockd runs there.',
  });
}
