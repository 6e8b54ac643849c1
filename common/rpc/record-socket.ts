// One WebSocket of records, either end: frames, limits and the watch over a dead peer. Knows no call; what it
// cannot read ends this connection and nothing else.
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import type { Clock, Timer } from '../clock.ts';
import { type DecodedRecord, decodeRecord, encodeRecord, type RpcRecord } from './record.ts';

/** Both ends ping this often, so that a connection without calls carries bytes both ways. */
const PING_INTERVAL_MS = 5_000;
/** Silent for 15 s: longer than the slowest link (5 s each way), short enough that a caller may decide something. */
const SILENT_PINGS_MAX = 3;
/** Two of the longest records: a reader so slow (a watcher of the status) is cut off rather than kept in memory. */
const UNSENT_BYTES_MAX = 16 * 1024 * 1024;
/** How long the other side has to answer the closing handshake. */
const CLOSE_TIMEOUT_MS = 2_000;

/** WebSocket close codes (RFC 6455 7.4.1). */
export const CLOSE_GOING_AWAY = 1001;
const CLOSE_PROTOCOL_ERROR = 1002;

const NO_RECORD: DecodedRecord = { ok: false, fault: 'it is text' };

/** What the owner of a connection is told. */
export interface RecordSocketEvents {
  record(record: RpcRecord): void;
  /** Once, with the reason in words; nothing comes after it. */
  closed(reason: string): void;
}

export class RecordSocket {
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #events: RecordSocketEvents;
  #pingTimer: Timer;
  #closeTimer: Timer | undefined;
  #bytesSeen = 0;
  #silentPings = 0;
  #reason: string | undefined;
  #ended = false;

  constructor(webSocket: WebSocket, socket: Socket, clock: Clock, events: RecordSocketEvents) {
    this.#webSocket = webSocket;
    this.#socket = socket;
    this.#clock = clock;
    this.#events = events;
    this.#pingTimer = clock.setTimer(PING_INTERVAL_MS, () => this.#ping());
    webSocket.on('message', (data, isBinary) => this.#receive(data, isBinary));
    webSocket.on('error', (error) => this.#because(error.message));
    webSocket.on('close', (code, reason) => this.#finish(code, reason.toString()));
  }

  /** Sends a record; answers its length when it is too long and was not sent. */
  send(record: RpcRecord): { readonly tooLongBytes: number } | undefined {
    const encoded = encodeRecord(record);
    if (!encoded.ok) return { tooLongBytes: encoded.lengthBytes };
    if (this.#ended || this.#reason !== undefined) return undefined;
    this.#webSocket.send(encoded.bytes);
    if (this.#webSocket.bufferedAmount > UNSENT_BYTES_MAX) this.#cut(`${UNSENT_BYTES_MAX} bytes wait to be read`);
    return undefined;
  }

  /** Ends the connection in order; what was sent before arrives. */
  close(code: number, reason: string): void {
    if (this.#ended || this.#closeTimer !== undefined) return;
    this.#because(reason);
    this.#webSocket.close(code, reason.slice(0, 100));
    this.#closeTimer = this.#clock.setTimer(CLOSE_TIMEOUT_MS, () => this.#webSocket.terminate());
  }

  /** The peer broke the protocol. */
  refuse(fault: string): void {
    this.close(CLOSE_PROTOCOL_ERROR, fault);
  }

  #receive(data: RawData, isBinary: boolean): void {
    if (this.#ended || this.#reason !== undefined) return;
    const decoded = isBinary && Buffer.isBuffer(data) ? decodeRecord(data) : NO_RECORD;
    if (decoded.ok) this.#events.record(decoded.record);
    else this.refuse(`a message is no record: ${decoded.fault}`);
  }

  #ping(): void {
    // Counted in pings rather than in time: a process that was stopped for a minute finds its peer's bytes waiting.
    // Any byte counts, since a long record holds up the pongs behind it.
    const bytesRead = this.#socket.bytesRead;
    this.#silentPings = bytesRead === this.#bytesSeen ? this.#silentPings + 1 : 0;
    this.#bytesSeen = bytesRead;
    if (this.#silentPings >= SILENT_PINGS_MAX) {
      this.#cut(`no sign of life for ${SILENT_PINGS_MAX * PING_INTERVAL_MS} ms`);
      return;
    }
    this.#webSocket.ping();
    this.#pingTimer = this.#clock.setTimer(PING_INTERVAL_MS, () => this.#ping());
  }

  #cut(reason: string): void {
    this.#because(reason);
    this.#webSocket.terminate();
  }

  #because(reason: string): void {
    this.#reason ??= reason;
  }

  #finish(code: number, reason: string): void {
    this.#ended = true;
    this.#pingTimer.cancel();
    this.#closeTimer?.cancel();
    const words = reason === '' ? `it was closed (${code})` : `it was closed by the other side: ${reason}`;
    this.#events.closed(this.#reason ?? words);
  }
}
