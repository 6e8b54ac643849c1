// One end of the floor under the peers' benchmark, in a process of its own: what Node takes to read a file, hash its blocks,
// send it over TLS in messages of 256 KiB, hash what comes and write it to another file. No protocol, table or store.
import { once } from 'node:events';
import { closeSync, fdatasyncSync, openSync, readSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createServer, type TLSSocket } from 'node:tls';
import { checksumAt } from '../../blockd/table/block-checksum.ts';
import { loadIdentity } from '../../common/membership/identity.ts';
import { BULK_PROTOCOL, connectTls, serverTls } from '../../common/membership/tls.ts';

const MESSAGE_BYTES = 256 * 1024;
const BLOCK_BYTES = 4096;
/** As blockd writes (docs/NBD.md). */
const WRITE_BYTES = 64 * 1024;
const RECORD_BYTES = 16 * 1024;
/** Of messages on their way into the socket. */
const ROOMS = 4;
const LOOPBACK = '127.0.0.1';
/** Of the one certificate that both ends have. */
const NODE = 'bare';

function hash(data: Uint8Array): void {
  for (let at = 0; at < data.length; at += BLOCK_BYTES) checksumAt(data, at);
}

/** Sends the file once for each byte that comes; says its port. */
async function serve(identityDirectory: string, source: string, bytes: number): Promise<void> {
  const file = openSync(source, 'r');
  const server = createServer(serverTls(await loadIdentity(identityDirectory)), (socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', () => send(socket, file, bytes));
  });
  await once(server.listen(0, LOOPBACK), 'listening');
  const address = server.address();
  process.stdout.write(`${address !== null && typeof address === 'object' ? address.port : 0}\n`);
}

function send(socket: TLSSocket, file: number, bytes: number): void {
  const rooms = Array.from({ length: ROOMS }, () => Buffer.allocUnsafeSlow(MESSAGE_BYTES));
  let at = 0;
  const go = (): void => {
    while (at < bytes) {
      const room = rooms.pop();
      if (room === undefined) return;
      readSync(file, room, 0, MESSAGE_BYTES, at);
      hash(room);
      at += MESSAGE_BYTES;
      const isFull = !socket.write(room, () => {
        rooms.push(room);
        setImmediate(go);
      });
      if (isFull) return;
    }
  };
  go();
}

/** For each line that comes: takes all bytes into a new file, onto the disk, and says so. */
async function take(identityDirectory: string, target: string, bytes: number, port: number): Promise<void> {
  const record = Buffer.allocUnsafeSlow(RECORD_BYTES);
  const intake = new FileIntake(target, bytes);
  const callback = (count: number): boolean => {
    intake.received(count === RECORD_BYTES ? record : record.subarray(0, count));
    return true;
  };
  const where = { node: NODE, address: LOOPBACK, port };
  const onread = { buffer: record, callback };
  const socket = await connectTls(where, await loadIdentity(identityDirectory), BULK_PROTOCOL, undefined, onread);
  socket.on('error', () => process.exit(1)).resume();
  process.stdout.write('ready\n');
  for await (const _order of createInterface(process.stdin)) {
    intake.begin();
    socket.write('.');
    await intake.done.promise;
    process.stdout.write('done\n');
  }
  process.exit(0);
}

/** Bytes of one stream into one file, a message at a time. */
class FileIntake {
  readonly #path: string;
  readonly #bytes: number;
  readonly #message = Buffer.allocUnsafeSlow(MESSAGE_BYTES);
  #used = 0;
  #at = 0;
  #file = -1;
  done = Promise.withResolvers<void>();

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  begin(): void {
    this.#at = 0;
    this.#file = openSync(this.#path, 'w');
    this.done = Promise.withResolvers();
  }

  received(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; ) {
      const part = chunk.subarray(from, from + MESSAGE_BYTES - this.#used);
      this.#message.set(part, this.#used);
      this.#used += part.length;
      from += part.length;
      if (this.#used === MESSAGE_BYTES) this.#keep();
    }
  }

  #keep(): void {
    hash(this.#message);
    for (let from = 0; from < MESSAGE_BYTES; from += WRITE_BYTES) {
      writeSync(this.#file, this.#message, from, WRITE_BYTES, this.#at + from);
    }
    this.#used = 0;
    this.#at += MESSAGE_BYTES;
    if (this.#at < this.#bytes) return;
    fdatasyncSync(this.#file);
    closeSync(this.#file);
    this.done.resolve();
  }
}

const [role, identityDirectory = '', file = '', bytes = '', port = ''] = process.argv.slice(2);
if (role === 'serve') await serve(identityDirectory, file, Number(bytes));
else await take(identityDirectory, file, Number(bytes), Number(port));
