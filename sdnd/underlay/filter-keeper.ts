// The filter of tunnels as the kernel has it: replaced when other rules are wanted or somebody has changed them, and otherwise
// only looked at, so that it counts on what it drops. What nft says of its own rules differs from what it was given; so what
// it says right after they were set is what it has to say from then on.
import { FILTER_TABLE } from './tunnel-filter.ts';

const LIST = ['--stateless', 'list', 'table', ...FILTER_TABLE.split(' ')];

export class FilterKeeper {
  readonly #nft: (words: readonly string[], input?: string) => Promise<string>;
  #kept: { readonly rules: string; readonly said: string } | undefined;

  /** `nft`: runs it with these words and this input, and answers what it said. */
  constructor(nft: (words: readonly string[], input?: string) => Promise<string>) {
    this.#nft = nft;
  }

  /** From the end of this on these rules hold. @throws what nft failed with */
  async keep(rules: string): Promise<void> {
    if (this.#kept?.rules === rules && this.#kept.said === (await this.#said())) return;
    this.#kept = undefined;
    await this.#nft(['-f', '-'], rules);
    this.#kept = { rules, said: await this.#nft(LIST) };
  }

  /** Undefined: it cannot be listed, as when it is not there. */
  #said(): Promise<string | undefined> {
    return this.#nft(LIST).catch(() => undefined);
  }
}
