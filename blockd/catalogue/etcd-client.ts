// The few calls that the catalogue makes of an etcd cluster, each within a time limit and at whichever member answers.
// Keeps nothing of what it reads.
import type { Clock } from '../../common/clock.ts';
import { messageOf, OperationError } from '../../common/errors.ts';
import { EtcdMember, type EtcdTls, type MemberReply } from './etcd-member.ts';
import {
  type EtcdCondition,
  type EtcdRecord,
  type EtcdWrite,
  rangeRequest,
  readPage,
  readRefusal,
  readRequest,
  readTxn,
  writeRequest,
} from './etcd-messages.ts';

/** Where an etcd cluster is and how it knows us. */
export interface EtcdCluster {
  /** The members' client URLs, `http://10.0.0.1:2379`. */
  readonly endpoints: readonly string[];
  readonly tls?: EtcdTls | undefined;
}

/** A member that says nothing for so long is passed over; with etcd's defaults an election takes 1 to 2 s. */
const TRY_MS = 2_500;
/** Between two rounds of all members, which may have refused at once because they are electing. */
const ROUND_PAUSE_MS = 100;
/** So many of etcd's largest records (1.5 MiB by default) are within the limit of a reply. */
const PAGE_RECORDS = 32;
/** gRPC's codes (status codes of grpc.io) that no other member would answer otherwise: bad request, not found, forbidden, full, wrong state, compacted, no such call, not logged in. */
const FINAL_CODES: ReadonlySet<number> = new Set([3, 5, 7, 8, 9, 11, 12, 16]);

class NoAnswer extends Error {}

/** Calls of etcd, at the member that answered last; each may be made again at another member without harm. */
export class EtcdClient {
  readonly #members: readonly EtcdMember[];
  readonly #clock: Clock;
  #current = 0;

  constructor({ endpoints, tls }: EtcdCluster, clock: Clock) {
    this.#members = endpoints.map((endpoint) => new EtcdMember(endpoint, tls));
    this.#clock = clock;
  }

  /** The record, if it is there, and the store's revision. @throws OperationError STORE_UNREACHABLE, STORE_REFUSED */
  async read(key: string, untilMs: number): Promise<{ revision: number; record: EtcdRecord | undefined }> {
    const { revision, records } = await this.#call('/v3/kv/range', rangeRequest(key), readPage, untilMs);
    return { revision, record: records[0] };
  }

  /** All records whose keys begin so, as they were at one revision. @throws as `read` */
  async readAll(prefix: string, revision: number, untilMs: number): Promise<EtcdRecord[]> {
    const all: EtcdRecord[] = [];
    const end = endOf(prefix);
    for (let from: string | undefined = prefix; from !== undefined; ) {
      const request = rangeRequest(from, end, PAGE_RECORDS, revision);
      const { records, more } = await this.#call('/v3/kv/range', request, readPage, untilMs);
      all.push(...records);
      const last = records.at(-1);
      from = more && last !== undefined ? `${last.key}\0` : undefined;
    }
    return all;
  }

  /**
   * Writes all or nothing, if the conditions hold; answers the revision it made, or undefined if one does not. When an
   * answer was lost, the repetition finds its own write standing there: undefined does not prove that nothing was written.
   * @throws as `read`
   */
  async swap(
    conditions: readonly EtcdCondition[],
    writes: readonly EtcdWrite[],
    untilMs: number,
  ): Promise<number | undefined> {
    return (await this.#call('/v3/kv/txn', writeRequest(conditions, writes), readTxn, untilMs))?.revision;
  }

  /** What of the keys is there, all at one moment; undefined if the condition does not hold. @throws as `read` */
  async readIf(condition: EtcdCondition, keys: readonly string[], untilMs: number): Promise<EtcdRecord[] | undefined> {
    return (await this.#call('/v3/kv/txn', readRequest(condition, keys), readTxn, untilMs))?.records;
  }

  close(): void {
    for (const member of this.#members) member.close();
  }

  async #call<T>(path: string, request: object, read: (reply: unknown) => T, untilMs: number): Promise<T> {
    const troubles = new Map<string, string>();
    for (let tries = 1; ; tries++) {
      const member = this.#members[this.#current % this.#members.length];
      const leftMs = untilMs - this.#clock.nowMs();
      if (member === undefined || leftMs <= 0) throw unreachable(troubles);
      try {
        const ask = (signal: AbortSignal): Promise<MemberReply> => member.call(path, request, signal);
        return read(answerOf(member, await this.#within(Math.min(TRY_MS, leftMs), ask)));
      } catch (error) {
        if (error instanceof OperationError) throw error;
        // A try that the end of the call cut short says less than what the member said before.
        const isCut = error instanceof NoAnswer && leftMs < TRY_MS;
        if (!(isCut && troubles.has(member.endpoint))) troubles.set(member.endpoint, messageOf(error));
        this.#current += 1;
      }
      if (tries % this.#members.length === 0) await this.#pause();
    }
  }

  async #within<T>(limitMs: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const abort = new AbortController();
    const timer = this.#clock.setTimer(limitMs, () => abort.abort());
    try {
      return await ask(abort.signal);
    } catch (error) {
      throw abort.signal.aborted ? new NoAnswer(`no answer within ${Math.round(limitMs)} ms`) : error;
    } finally {
      timer.cancel();
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(ROUND_PAUSE_MS, resolve);
    });
  }
}

/** The end of the range of all keys that begin so; our prefixes end in ASCII. */
function endOf(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

/** @throws OperationError STORE_REFUSED where no member would say otherwise; Error where another may */
function answerOf(member: EtcdMember, { isOk, value }: MemberReply): unknown {
  if (isOk) return value;
  const { message, code } = readRefusal(value) ?? { message: 'it answered with an error that is not of etcd', code: 2 };
  if (!FINAL_CODES.has(code)) throw new Error(message);
  throw new OperationError('STORE_REFUSED', `etcd at ${member.endpoint} refused: ${message}`, {
    remedy: 'Look at that cluster with etcdctl endpoint status.',
  });
}

function unreachable(troubles: ReadonlyMap<string, string>): OperationError {
  const said = [...troubles].map(([endpoint, trouble]) => `${endpoint} (${trouble})`).join(', ');
  return new OperationError('STORE_UNREACHABLE', `no etcd member answered in time: ${said || 'none was asked'}`, {
    remedy: 'Bring a majority of its members back, then repeat the call: what it asked for may have been done.',
  });
}
