// Commands of the switch daemon's own (unixctl, ovs-appctl(8)): one question over its control socket, one answer. For what
// neither OpenFlow nor the database tells.
import { access, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { OperationError } from '../../common/errors.ts';
import { JsonSplitter } from '../ovsdb/json-splitter.ts';

/** Some 100,000 connections are told in a second. */
const ANSWER_TIMEOUT_MS = 5_000;

export class SwitchCommand {
  readonly #runDirectory: string;

  /** `runDirectory`: Open vSwitch's. */
  constructor(runDirectory: string) {
    this.#runDirectory = runDirectory;
  }

  /** @throws OperationError SWITCH_LOST, SWITCH_REFUSED */
  async run(command: string, ...words: readonly string[]): Promise<string> {
    const path = await this.#socket();
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const socket = connect(path);
    const lost = (why: string) =>
      reject(new OperationError('SWITCH_LOST', `ovs-vswitchd does not answer ${command} on ${path}: ${why}`));
    const splitter = new JsonSplitter();
    socket.on('data', (bytes) => {
      for (const split of splitter.push(bytes)) {
        if (split.kind === 'bad') lost(split.detail);
        else answer(command, split.message, resolve, reject);
      }
    });
    socket.on('error', ({ message }) => lost(message)).on('close', () => lost('it closed the connection'));
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => lost(`silence for ${ANSWER_TIMEOUT_MS} ms`));
    socket.write(JSON.stringify({ id: 0, method: command, params: words }));
    try {
      return await promise;
    } finally {
      socket.destroy();
    }
  }

  /** Named by the daemon's process, unless it was started with a name of its own. */
  async #socket(): Promise<string> {
    const plain = join(this.#runDirectory, 'ovs-vswitchd.ctl');
    try {
      await access(plain);
      return plain;
    } catch {
      const pid = await readFile(join(this.#runDirectory, 'ovs-vswitchd.pid'), 'utf8').catch(() => '');
      return join(this.#runDirectory, `ovs-vswitchd.${pid.trim()}.ctl`);
    }
  }
}

function answer(
  command: string,
  { result, error }: { readonly result?: unknown; readonly error?: unknown },
  resolve: (text: string) => void,
  reject: (error: Error) => void,
): void {
  if (typeof result === 'string') resolve(result);
  else reject(new OperationError('SWITCH_REFUSED', `ovs-vswitchd refuses ${command}: ${String(error).trim()}`));
}
