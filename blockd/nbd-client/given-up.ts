// Requests of one connection that were failed because their server was silent for too long. It may still carry each of them
// out, at any time: so nothing that touches the same bytes is sent beside one, or a write that was given up could land over a
// later one that was answered.
import { COMMAND } from '../nbd/nbd-protocol.ts';
import type { TrackedRequest } from './tracked-request.ts';

/** A change keeps its data: up to 1 MiB each. */
const CHANGES_MAX = 64;
const REQUESTS_MAX = 1_024;

export class GivenUpRequests {
  readonly #requests = new Set<TrackedRequest>();
  #changes = 0;

  get size(): number {
    return this.#requests.size;
  }

  has(request: TrackedRequest): boolean {
    return this.#requests.has(request);
  }

  add(request: TrackedRequest): void {
    this.#requests.add(request);
    if (request.isChange) this.#changes++;
  }

  /** The server has answered after all; false when it was not given up. */
  delete(request: TrackedRequest): boolean {
    if (this.#requests.size === 0 || !this.#requests.delete(request)) return false;
    if (request.isChange) this.#changes--;
    return true;
  }

  /** The connection is gone, and with it whatever they were. */
  clear(): void {
    this.#requests.clear();
    this.#changes = 0;
  }

  /** Whether the request may be sent beside them. */
  allows(request: TrackedRequest): boolean {
    if (this.#requests.size === 0) return true;
    if (this.#requests.size >= REQUESTS_MAX || (request.isChange && this.#changes >= CHANGES_MAX)) return false;
    for (const one of this.#requests) if (meet(one, request)) return false;
    return true;
  }
}

/** A flush has no bytes; another one would wait for the same. */
function meet(one: TrackedRequest, other: TrackedRequest): boolean {
  if (one.type === COMMAND.FLUSH || other.type === COMMAND.FLUSH) return one.type === other.type;
  return one.offset < other.offset + other.length && other.offset < one.offset + one.length;
}
