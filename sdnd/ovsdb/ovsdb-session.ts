// One connection with an OVSDB server (RFC 7047, 4) without a socket: requests and their answers in any order, notices,
// signs of life both ways. Says what to send and what came; the first rubbish ends it. Knows no table.
import { isList, isObject, type JsonObject, type JsonValue, memberOf, shorten } from './json.ts';
import { JsonSplitter, SPLIT_LIMITS, type Split, type SplitLimits } from './json-splitter.ts';

/** What the shell must do or tell. Requests are named by the number that starting them answered. */
export type SessionEvent =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'answer'; readonly request: number; readonly result: JsonValue }
  /** The server answered with an error, which is told as it came (a string, or an object with `error` and `details`). */
  | { readonly kind: 'refused'; readonly request: number; readonly error: JsonValue }
  /** 4.1.6: what is monitored under that name has changed. */
  | { readonly kind: 'update'; readonly monitor: JsonValue; readonly tables: JsonObject }
  /** 4.1.9, 4.1.10: a lock has become this connection's, or another's. */
  | { readonly kind: 'locked' | 'stolen'; readonly lock: string }
  | { readonly kind: 'close'; readonly reason: string };

/** After this silence the server is asked whether it lives ... */
const SILENCE_MS = 5_000;
/** ... and after this more it is given up: a server that is being compacted may stand still for seconds. */
const ANSWER_MS = 10_000;
/** The slowest request is a transaction that waits; who waits longer asks again. */
const REQUEST_TIMEOUT_MS = 30_000;
/** Requests that may be open at once: our own fault if there are more. */
const REQUESTS_MAX = 1_000;
/** The id of our signs of life; requests have numbers. */
const ECHO_ID = 'echo';

export class OvsdbSession {
  readonly #splitter: JsonSplitter;
  readonly #open = new Map<number, { readonly method: string; readonly startedAtMs: number }>();
  #lastRequest = 0;
  #heardAtMs: number;
  #askedAtMs: number | undefined;
  #isClosed = false;

  constructor(nowMs: number, limits: SplitLimits = SPLIT_LIMITS) {
    this.#heardAtMs = nowMs;
    this.#splitter = new JsonSplitter(limits);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Starts a request; ends with `answer` or `refused`, or with the connection. */
  request(method: string, params: readonly JsonValue[], nowMs: number): { request: number; events: SessionEvent[] } {
    const request = ++this.#lastRequest;
    if (this.#open.size >= REQUESTS_MAX) return { request, events: this.#close(`${REQUESTS_MAX} requests are open`) };
    this.#open.set(request, { method, startedAtMs: nowMs });
    return { request, events: [send({ method, params, id: request })] };
  }

  /** Takes what the server sent. */
  receive(bytes: Uint8Array, nowMs: number): SessionEvent[] {
    this.#heardAtMs = nowMs;
    this.#askedAtMs = undefined;
    const events: SessionEvent[] = [];
    if (this.#isClosed) return events;
    for (const split of this.#splitter.push(bytes)) {
      events.push(...this.#take(split));
      if (this.#isClosed) break;
    }
    return events;
  }

  /** To be called every second or so. */
  tick(nowMs: number): SessionEvent[] {
    if (this.#isClosed) return [];
    const oldest = this.#open.values().next().value;
    if (oldest !== undefined && nowMs - oldest.startedAtMs > REQUEST_TIMEOUT_MS) {
      return this.#close(`${oldest.method} was not answered within ${REQUEST_TIMEOUT_MS} ms`);
    }
    const silentMs = nowMs - this.#heardAtMs;
    if (this.#askedAtMs !== undefined) {
      const isDead = nowMs - this.#askedAtMs > ANSWER_MS;
      return isDead ? this.#close(`silent for ${Math.round(silentMs)} ms`) : [];
    }
    if (silentMs <= SILENCE_MS) return [];
    this.#askedAtMs = nowMs;
    return [send({ method: 'echo', params: [], id: ECHO_ID })];
  }

  #take(split: Split): SessionEvent[] {
    if (split.kind === 'bad') return this.#close(`${split.code}: ${split.detail}`);
    const { message } = split;
    const method = memberOf(message, 'method');
    if (method === undefined) return this.#answer(message);
    const params = memberOf(message, 'params');
    if (typeof method !== 'string' || !isList(params)) return this.#rubbish(message);
    const id = memberOf(message, 'id') ?? null;
    return id === null ? this.#notice(method, params, message) : [answerTo(method, params, id)];
  }

  #answer(message: JsonObject): SessionEvent[] {
    const id = memberOf(message, 'id');
    if (id === ECHO_ID) return [];
    if (typeof id !== 'number' || !this.#open.delete(id)) return this.#rubbish(message);
    const error = memberOf(message, 'error') ?? null;
    if (error !== null) return [{ kind: 'refused', request: id, error }];
    const result = memberOf(message, 'result');
    if (result === undefined) return this.#rubbish(message);
    return [{ kind: 'answer', request: id, result }];
  }

  #notice(method: string, params: readonly JsonValue[], message: JsonObject): SessionEvent[] {
    const [first, second] = params;
    if (method === 'update' && first !== undefined && isObject(second)) {
      return [{ kind: 'update', monitor: first, tables: second }];
    }
    if ((method === 'locked' || method === 'stolen') && typeof first === 'string') {
      return [{ kind: method, lock: first }];
    }
    // A notice that RFC 7047 does not know can be left unread; one that it knows must be as it says.
    return ['update', 'locked', 'stolen'].includes(method) ? this.#rubbish(message) : [];
  }

  #rubbish(message: JsonObject): SessionEvent[] {
    return this.#close(`a message that fits nothing: ${shorten(message)}`);
  }

  #close(reason: string): SessionEvent[] {
    this.#isClosed = true;
    this.#open.clear();
    return [{ kind: 'close', reason }];
  }
}

// 4.1.11: an echo is given back as it came; a server has nothing else to ask of a client.
function answerTo(method: string, params: readonly JsonValue[], id: JsonValue): SessionEvent {
  if (method === 'echo') return send({ id, result: params, error: null });
  return send({ id, result: null, error: { error: 'unknown method', details: shorten(method) } });
}

function send(message: JsonObject): SessionEvent {
  return { kind: 'send', bytes: new TextEncoder().encode(JSON.stringify(message)) };
}
