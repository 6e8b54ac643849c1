// A host of the lab's Internet: an HTTP server that says who asks, as it sees them, and sends as long as it is asked to. It
// answers whoever reaches it, and reaches nobody by itself.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

/** Of `/bytes/N`. */
const BYTES_MAX = 2 ** 30;
const CHUNK = Buffer.alloc(64 * 1024, 'supercloud ');
/** Between two lines of `/lines`. */
const LINE_EVERY_MS = 50;
const HTTP_PORT = 80;

function answer({ url = '/', socket }: IncomingMessage, response: ServerResponse): void {
  const bytes = /^\/bytes\/(\d{1,10})$/.exec(url)?.[1];
  if (url === '/lines') sendLines(response);
  else if (bytes !== undefined && Number(bytes) <= BYTES_MAX) sendBytes(response, Number(bytes));
  else if (url === '/') response.end(`${socket.remoteAddress ?? ''}\n`);
  else response.writeHead(404).end();
}

/** One line after the other, numbered from 0, until whoever asked hangs up. */
function sendLines(response: ServerResponse): void {
  let count = 0;
  const timer = setInterval(() => response.write(`${count++}\n`), LINE_EVERY_MS);
  response.on('close', () => clearInterval(timer));
}

function sendBytes(response: ServerResponse, bytes: number): void {
  response.writeHead(200, { 'content-length': bytes });
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length));
      left -= chunk.length;
      if (!response.write(chunk)) return;
    }
    response.end();
  };
  response.on('drain', more);
  more();
}

const [address = ''] = process.argv.slice(2);
createServer(answer).listen(HTTP_PORT, address, () => process.stdout.write('READY\n'));
