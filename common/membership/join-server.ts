// Lets new members in: a token, checked and burnt, against a certificate. The only port that anyone may open without a
// certificate, so nothing here is kept, logged or answered at length before the token was right.
import { createHash, randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { Type } from '#typebox';
import { type Clock, realClock } from '../clock.ts';
import { type Disk, realDisk } from '../disk/disk.ts';
import { OperationError } from '../errors.ts';
import { Journal } from '../journal/journal.ts';
import type { Log } from '../log.ts';
import { listenOn } from '../rpc/listen.ts';
import { type Authority, loadAuthority, pinOf, requestKeyHash, signRequest } from './authority.ts';
import type { Identity } from './identity.ts';
import { JOIN_BODY_BYTES_MAX, JOIN_PATH, JOIN_TIMEOUT_MS, type JoinAnswer, joinRequestCheck } from './join-exchange.ts';
import { encodeJoinString } from './join-string.ts';
import { NameBook, NameRecord } from './name-book.ts';
import { TokenBook, type TokenCrypto, TokenRecord, type TokenRefusal } from './token-book.ts';

export interface JoinServerOptions {
  /** ca-key.pem and ca.pem. */
  readonly authorityDirectory: string;
  /** Where joins.journal is kept. */
  readonly stateDirectory: string;
  /** The controller's own: what the server shows. */
  readonly identity: Identity;
  readonly listen: { readonly address: string; readonly port: number };
  /** Where joiners reach this server, when that is not the address it listens on. */
  readonly addresses?: readonly string[];
  readonly log: Log;
  readonly clock?: Clock;
  readonly disk?: Disk;
}

/** Nobody joins a hundred nodes in one second; strangers cannot take all descriptors. */
const CONNECTIONS_MAX = 64;

const JoinRecord = Type.Union([TokenRecord, NameRecord]);
type JoinRecord = TokenRecord | NameRecord;

const crypto: TokenCrypto = {
  randomBytes: (count) => new Uint8Array(randomBytes(count)),
  sha256: (text) => new Uint8Array(createHash('sha256').update(text).digest()),
};

const REFUSALS: Readonly<Record<TokenRefusal, { readonly message: string; readonly remedy: string }>> = {
  TOKEN_UNKNOWN: {
    message: 'the controller knows no such token',
    remedy: 'Copy the join string again, or make a new one with `supercloud token create`.',
  },
  TOKEN_USED: {
    message: 'the token was used already, by another machine or more than 10 minutes ago',
    remedy: 'Make a new one with `supercloud token create`; if nobody of yours used it, look at the members.',
  },
  TOKEN_EXPIRED: { message: 'the token has expired', remedy: 'Make a new one with `supercloud token create`.' },
  TOO_MANY_ATTEMPTS: {
    message: 'there were too many wrong attempts from this address',
    remedy: 'Wait 10 minutes, then try again with a new join string.',
  },
};

/** Starts letting members in. @throws OperationError JOURNAL_*, AUTHORITY_MISSING, or an error of listening */
export async function startJoinServer(options: JoinServerOptions): Promise<JoinServer> {
  const { identity, disk = realDisk, clock = realClock } = options;
  const authority = await loadAuthority(options.authorityDirectory, disk);
  await disk.makeDirectory(options.stateDirectory);
  const opened = await Journal.open(disk, join(options.stateDirectory, 'joins.journal'), JoinRecord);
  const desk = new JoinDesk(opened.journal, opened.records, authority, identity, clock);
  const server = createServer({
    key: identity.key,
    // The authority's certificate too: a joiner knows nothing but the hash of its key.
    cert: `${identity.certificate}\n${identity.authority}`,
    minVersion: 'TLSv1.3',
    handshakeTimeout: JOIN_TIMEOUT_MS,
    requestTimeout: JOIN_TIMEOUT_MS,
    headersTimeout: JOIN_TIMEOUT_MS,
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.on('request', (request, response) => void answer(request, response, desk, options.log));
  const port = await listenOn(server, options.listen);
  const place = {
    addresses: [...(options.addresses ?? [options.listen.address])],
    port,
    pin: pinOf(authority.certificate),
  };
  return {
    port,
    async createToken(ttlMs) {
      const { id, secret } = await desk.createToken(ttlMs);
      return encodeJoinString({ ...place, id, secret });
    },
    freeName: (node) => desk.freeName(node),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
      await opened.journal.close();
    },
  };
}

export interface JoinServer {
  readonly port: number;
  /** A join string for one node; the token is durable when it answers. */
  createToken(ttlMs: number): Promise<string>;
  /** A removed member's name may be taken by another machine. */
  freeName(node: string): Promise<void>;
  close(): Promise<void>;
}

/** The decisions and their durability, without the sockets. */
class JoinDesk {
  readonly #journal: Journal<JoinRecord>;
  readonly #tokens: TokenBook;
  readonly #names: NameBook;
  readonly #authority: Authority;
  readonly #identity: Identity;
  readonly #clock: Clock;

  constructor(
    journal: Journal<JoinRecord>,
    records: readonly JoinRecord[],
    authority: Authority,
    identity: Identity,
    clock: Clock,
  ) {
    this.#journal = journal;
    this.#tokens = new TokenBook(crypto, records.filter(isTokenRecord));
    this.#names = new NameBook(records.filter((record) => !isTokenRecord(record)));
    this.#authority = authority;
    this.#identity = identity;
    this.#clock = clock;
  }

  /** What was forgotten need not be read at the next start. */
  async createToken(ttlMs: number): Promise<{ id: string; secret: string }> {
    const nowMs = this.#clock.wallMs();
    const { id, secret } = this.#tokens.create(ttlMs, nowMs);
    await this.#journal.rewrite([...this.#names.live(), ...this.#tokens.live(nowMs)]);
    return { id, secret };
  }

  async freeName(node: string): Promise<void> {
    const record = this.#names.free(node);
    if (record !== undefined) await this.#journal.append(record);
  }

  /** Lets a node in, or throws why not. */
  async admit(body: unknown, source: string): Promise<JoinAnswer> {
    if (!joinRequestCheck.accepts(body)) throw new OperationError('REQUEST_BAD', joinRequestCheck.fault(body));
    const keyHash = await requestKeyHash(body.csr);
    const redeemed = this.#tokens.redeem(body.id, body.secret, keyHash, source, this.#clock.wallMs());
    if (redeemed.record !== undefined) await this.#journal.append(redeemed.record);
    if (redeemed.code !== 'OK') throw refused(redeemed.code);
    await this.#takeName(body.node, keyHash);
    const member = { node: body.node, role: redeemed.role };
    const certificate = await signRequest(this.#authority, body.csr, member, this.#clock);
    return { certificate, authority: this.#authority.certificate, wallMs: this.#clock.wallMs() };
  }

  async #takeName(node: string, keyHash: string): Promise<void> {
    const taken = node === this.#identity.node ? { code: 'NAME_TAKEN' as const } : this.#names.take(node, keyHash);
    if (taken.code === 'NAME_TAKEN') {
      throw new OperationError('NAME_TAKEN', `the name ${node} belongs to another member`, {
        remedy: 'Join under another name within 10 minutes, or remove that member first.',
      });
    }
    if (taken.record !== undefined) await this.#journal.append(taken.record);
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, desk: JoinDesk, log: Log): Promise<void> {
  const source = request.socket.remoteAddress ?? 'unknown';
  try {
    if (request.method !== 'POST' || request.url !== JOIN_PATH) return send(response, 404, notFound());
    const joined = await desk.admit(await readBody(request), source);
    log.info({ source }, 'a member was let in');
    return send(response, 200, joined);
  } catch (error) {
    if (!(error instanceof OperationError) || error.code.startsWith('JOURNAL_'))
      log.error({ err: error }, 'a join failed');
    else log.warn({ source, code: error.code }, 'a join was refused');
    return send(response, 403, errorAnswer(error));
  }
}

/** The body as JSON. @throws OperationError REQUEST_BAD */
async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > JOIN_BODY_BYTES_MAX)
      throw new OperationError('REQUEST_BAD', `the request is longer than ${JOIN_BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // The parser's error quotes the text, which may hold a secret.
    throw new OperationError('REQUEST_BAD', 'the request is not JSON');
  }
}

function send(response: ServerResponse, status: number, body: JoinAnswer): void {
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' }).end(JSON.stringify(body));
}

function errorAnswer(error: unknown): JoinAnswer {
  if (error instanceof OperationError) return { code: error.code, message: error.message, remedy: error.remedy };
  return {
    code: 'INTERNAL',
    message: 'the controller failed unexpectedly',
    remedy: 'See the log of its orchestrator.',
  };
}

function notFound(): JoinAnswer {
  return { code: 'NOT_FOUND', message: 'members join here and nothing else', remedy: '' };
}

function refused(code: TokenRefusal): OperationError {
  return new OperationError(code, REFUSALS[code].message, { remedy: REFUSALS[code].remedy });
}

function isTokenRecord(record: JoinRecord): record is TokenRecord {
  return record.kind === 'token-created' || record.kind === 'token-burnt';
}
