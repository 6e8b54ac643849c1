// What a session is to its switch: master under a term, or slave, which may read but change nothing (OpenFlow 1.3.5, 6.3.6).
// Says what to ask and what the answers mean; a session becomes master at most once, and never slave again. Pure.
import type { Message, RoleMessage } from '@openflow/ofp';

/** `generationId`: the term. A switch refuses one that is behind the highest that it has seen (7.3.9). */
export type RoleWish = { readonly role: 'master'; readonly generationId: bigint } | { readonly role: 'slave' };

/** `granted`: it is what it wished to be. `outranked`: another one is master, under a higher term. `known`: no news. */
export type RoleAnswer =
  | { readonly kind: 'ask'; readonly request: Message }
  | { readonly kind: 'granted' | 'outranked' | 'known' };

/** Says a switch to which nobody has yet been master or slave. */
const NO_GENERATION = 2n ** 64n - 1n;
/** How soon a master without anything to do hears that it is none any more: Open vSwitch does not tell by itself. */
const ASK_EVERY_MS = 2_000;

export class SessionRole {
  #wish: RoleWish | undefined;
  #isGranted = false;
  #askedAtMs = 0;

  constructor(wish?: RoleWish) {
    this.#wish = wish;
  }

  /** Only an answer tells whether it may be asked for more: the ports wait for it. */
  get mustLearnFirst(): boolean {
    return this.#wish?.role === 'slave';
  }

  get isMaster(): boolean {
    return this.#isGranted && this.#wish?.role === 'master';
  }

  /** To be asked in the handshake. */
  first(): Message | undefined {
    if (this.#wish === undefined) return undefined;
    return this.#wish.role === 'master' ? request('master', this.#wish.generationId) : request('no-change', 0n);
  }

  /** A session that is ready asks to be master from now on. */
  promote(generationId: bigint): Message {
    this.#wish = { role: 'master', generationId };
    this.#isGranted = false;
    return request('master', generationId);
  }

  /** A question that is due: whether it still is master. */
  tick(nowMs: number): Message | undefined {
    if (!this.isMaster || nowMs - this.#askedAtMs < ASK_EVERY_MS) return undefined;
    this.#askedAtMs = nowMs;
    return request('no-change', 0n);
  }

  answered({ role, generationId }: RoleMessage): RoleAnswer {
    if (this.#wish === undefined) return { kind: 'known' };
    if (role === this.#wish.role) {
      const kind = this.#isGranted ? 'known' : 'granted';
      this.#isGranted = true;
      return { kind };
    }
    if (this.#wish.role === 'master') return { kind: 'outranked' };
    // The term in force and no other: a lower one is refused, and a higher one would outrank the master when it comes again.
    return { kind: 'ask', request: request('slave', generationId === NO_GENERATION ? 0n : generationId) };
  }
}

function request(role: RoleMessage['role'], generationId: bigint): Message {
  return { type: 'role-request', role, generationId };
}
