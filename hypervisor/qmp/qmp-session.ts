// QMP as a state machine without a socket: bytes in, messages out; commands in, lines out. It must never do I/O and
// never trusts the length or the shape of what the other side sends.

/** No answer to a command we use comes near it (the largest, query-migrate, is under 2 KiB); it bounds our memory. */
export const LINE_CHARS_MAX = 1024 * 1024;

/** Commands that wait for their answer; QEMU itself queues 8 and then stops reading. */
export const PENDING_COMMANDS_MAX = 64;

export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: string; readonly capabilities: readonly string[] }
  | { readonly kind: 'return'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly errorClass: string; readonly desc: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: unknown; readonly atMs: number };

export type QmpFaultCode = 'LINE_TOO_LONG' | 'NOT_JSON' | 'NOT_QMP' | 'UNKNOWN_ID';

/** What the other side did wrong. After it the session takes nothing more: the connection is to be closed. */
export interface QmpFault {
  readonly kind: 'fault';
  readonly code: QmpFaultCode;
  readonly desc: string;
}

type Fields = { readonly [key: string]: unknown };

/** One QMP connection (QEMU docs/interop/qmp-spec, sections 2.2 to 2.5). */
export class QmpSession {
  #rest = '';
  #nextId = 1;
  #decoder = new TextDecoder('utf-8', { fatal: false });
  readonly #pending = new Map<number, string>();
  #broken = false;

  /** Names of the commands that wait for an answer, oldest first. */
  get pending(): readonly string[] {
    return [...this.#pending.values()];
  }

  /** The line to send for a command, and the id its answer will have; undefined when too many are waiting. */
  command(name: string, args: object): { readonly id: number; readonly line: string } | undefined {
    if (this.#pending.size >= PENDING_COMMANDS_MAX) return undefined;
    const id = this.#nextId++;
    this.#pending.set(id, name);
    const withArguments = Object.keys(args).length > 0 ? { execute: name, arguments: args, id } : { execute: name, id };
    return { id, line: `${JSON.stringify(withArguments)}\r\n` };
  }

  /** Everything that these bytes complete, in order; a fault is always the last. */
  receive(bytes: Uint8Array): (QmpMessage | QmpFault)[] {
    if (this.#broken) return [];
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    const messages: (QmpMessage | QmpFault)[] = [];
    for (const line of lines) {
      if (this.#broken) break;
      if (line.trim() !== '') messages.push(this.#line(line));
    }
    if (!this.#broken && this.#rest.length > LINE_CHARS_MAX) messages.push(this.#tooLong(this.#rest.length));
    return messages;
  }

  #line(line: string): QmpMessage | QmpFault {
    if (line.length > LINE_CHARS_MAX) return this.#tooLong(line.length);
    const message = decodeJson(line);
    if (message === undefined) return this.#fault('NOT_JSON', `not a JSON object: ${line.slice(0, 80)}`);
    if (isFields(message.QMP)) return greeting(message.QMP);
    if (typeof message.event === 'string') return event(message.event, message);
    if ('return' in message || isFields(message.error)) return this.#answer(message);
    return this.#fault('NOT_QMP', `neither greeting, answer nor event: ${line.slice(0, 80)}`);
  }

  #answer(message: Fields): QmpMessage | QmpFault {
    const id = message.id;
    if (typeof id !== 'number' || !this.#pending.delete(id)) {
      return this.#fault('UNKNOWN_ID', `an answer to no command of ours, id ${JSON.stringify(id)}`);
    }
    if ('return' in message) return { kind: 'return', id, value: message.return };
    const error = isFields(message.error) ? message.error : {};
    return { kind: 'error', id, errorClass: text(error.class, 'GenericError'), desc: text(error.desc, '') };
  }

  #tooLong(lineChars: number): QmpFault {
    return this.#fault(
      'LINE_TOO_LONG',
      `a line of ${lineChars} characters or more; at most ${LINE_CHARS_MAX} are taken`,
    );
  }

  #fault(code: QmpFaultCode, desc: string): QmpFault {
    this.#broken = true;
    this.#rest = '';
    return { kind: 'fault', code, desc };
  }
}

function greeting(qmp: Fields): QmpMessage {
  const version = isFields(qmp.version) ? qmp.version : {};
  const qemu = isFields(version.qemu) ? version.qemu : {};
  const capabilities = Array.isArray(qmp.capabilities) ? qmp.capabilities.filter(isText) : [];
  const numbers = [qemu.major, qemu.minor, qemu.micro];
  return { kind: 'greeting', version: numbers.map((part) => part ?? '?').join('.'), capabilities };
}

function event(name: string, message: Fields): QmpMessage {
  const stamp = isFields(message.timestamp) ? message.timestamp : {};
  const atMs = whole(stamp.seconds) * 1000 + whole(stamp.microseconds) / 1000;
  return { kind: 'event', name, data: message.data ?? {}, atMs };
}

function decodeJson(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function text(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

function whole(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
