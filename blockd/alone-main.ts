// `supercloud blockd --alone`: one block daemon with no cluster; its images are on unix sockets, and on a TCP port if
// one is named, until it is stopped. Wires parts together and nothing else.
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { realClock } from '../common/clock.ts';
import { crashLoudly, type DaemonContext, type Running, runUntilStopped } from '../common/daemon.ts';
import { realDisk } from '../common/disk/disk.ts';
import { codeOf, messageOf, OperationError } from '../common/errors.ts';
import { createPlainLog, type Log } from '../common/log.ts';
import { SchemaCheck } from '../common/schema-check.ts';
import { exitCodeOf, reportError } from '../common/terminal/error-report.ts';
import { endSaid } from '../common/terminal/terminal.ts';
import { CONTROL_SOCKET, LONE_NODE } from '../wire/contracts/alone.ts';
import { Name } from '../wire/names.ts';
import { type ListenOptions, openPort } from './alone-listen.ts';
import { LevelStore } from './catalogue/level-store.ts';
import { Converter } from './convert/converter.ts';
import { ImageShelf } from './image/image-shelf.ts';
import { because, LoneImages, type WantedImage } from './image/lone-images.ts';
import type { Serve } from './image/served-image.ts';
import { KeptRoom } from './lone/kept-room.ts';
import { LoneControl } from './lone/lone-control.ts';
import { makeNamed } from './named-directory.ts';
import { atPort, type NbdPort } from './nbd/nbd-port.ts';
import { exportDevice } from './nbd/nbd-server.ts';

const EXAMPLES = `
Examples:
  supercloud blockd --alone --data /var/tmp/disks --image web:1G    make image web, or go on with it
  supercloud blockd --alone --data /var/tmp/disks                   go on with all images there
  supercloud blockd --alone --data DIR --image web:1G --image log:512M
  supercloud blockd --alone --data DIR --listen 10.0.0.5:10809 --tls /etc/pki/blockd    also over TCP, by TLS with certificates

Each image is an NBD export on DIR/NAME.sock, and with --listen by its name on that port too (--tls DIR holds ca-cert.pem,
server-cert.pem and server-key.pem; clients show a certificate of the same authority); K, M, G and T are powers of 1024. Ctrl-C, SIGTERM or a closed terminal stops it in order;
after a kill or a power cut the next start goes on with everything that was flushed.

While it runs, in another terminal (each has --help):
  supercloud snapshot create monday --image web --alone DIR     then read only on DIR/web@monday.sock
  supercloud snapshot export monday --file web.qcow2 --format qcow2 --alone DIR
  supercloud image create|clone|resize|delete|list|show|scrub, snapshot list|delete, metrics --prometheus  ... --alone DIR
A larger size for an image that is there is refused here; image resize makes it larger, and a smaller one is no error. Whoever may
write to the sockets of DIR may do all this.

On a full disk it still starts, and images and snapshots can still be deleted: 8 MiB in DIR are kept for that.

A DIR that was put back as a whole from an older copy (a disk snapshot, a backup) is not noticed: all that this blockd knows lies in
DIR and is as old. What was flushed since is gone, and clients must begin anew. In a cluster the catalogue, kept elsewhere, notices it.`;

const UNIT_BYTES: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
/** sockaddr_un has 108 bytes, the last a zero (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;
/** Ends the names of the exports' sockets. */
const SOCKET = '.sock';
const name = new SchemaCheck(Name);

interface Options extends ListenOptions {
  readonly alone?: true;
  readonly data?: string;
  readonly image: readonly WantedImage[];
}

function wantedImage(text: string, before: readonly WantedImage[]): WantedImage[] {
  const [, image = '', digits = '', unit = ''] = /^([^:]*):(\d+)([KMGT]?)$/.exec(text) ?? [];
  const usage = (why: string): OperationError =>
    new OperationError('USAGE', `--image ${text}: ${why}`, { remedy: 'Say NAME:SIZE, for example web:1G.' });
  if (digits === '') throw usage('that is no NAME:SIZE');
  if (!name.accepts(image)) throw usage('a name has 1 to 40 lower-case letters, digits and hyphens, a letter first');
  if (before.some((other) => other.image === image)) throw usage('that image is named twice');
  return [...before, { image, bytes: Number(digits) * (UNIT_BYTES[unit] ?? 1) }];
}

/** The catalogue's lock is the directory's: the kernel gives it back when its process ends, however that ends. */
async function openCatalogue(data: string): Promise<LevelStore> {
  try {
    return await LevelStore.open(join(data, 'heads'));
  } catch (error) {
    if (codeOf(error) === 'CATALOGUE_DAMAGED') throw damaged(data, error);
    if (!(error instanceof Error) || codeOf(error.cause) !== 'LEVEL_LOCKED') throw error;
    throw new OperationError('DATA_IN_USE', `another blockd serves the images of ${data}`, {
      remedy: 'Stop that one first, or name another directory.',
      cause: error,
    });
  }
}

/** The images lie beside it, and say all that it said. */
function damaged(data: string, cause: unknown): OperationError {
  return new OperationError('CATALOGUE_DAMAGED', messageOf(cause), {
    remedy: `Move ${join(data, 'heads')} away, and nothing else: the next start makes it again from the images beside it.`,
    cause,
  });
}

/** Of a start that was killed: nobody else has the directory now, and a mount would wait at each of them. */
async function removeSockets(data: string): Promise<void> {
  for (const name of await realDisk.list(data)) if (name.endsWith(SOCKET)) await realDisk.remove(join(data, name));
}

function socketPath(data: string, image: string): string {
  return checkPath(join(data, `${image}${SOCKET}`));
}

function checkPath(path: string): string {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return path;
  throw new OperationError(
    'PATH_TOO_LONG',
    `the socket ${path} has ${bytes} bytes; ${SOCKET_PATH_BYTES_MAX} are allowed`,
    {
      remedy: 'Choose a data directory with a shorter path.',
    },
  );
}

function newShelf(data: string, log: Log, port: NbdPort | undefined, isReady: () => boolean): ImageShelf {
  const serve: Serve = async (device, image, bytes, isReadOnly = false) => {
    const path = socketPath(data, image);
    // What the last start left open is ended first; no client may write under that epoch any more.
    if (!isReady() && !isReadOnly) return { path, connections: 0, close: () => Promise.resolve() };
    const description = { name: image, bytes, isReadOnly };
    return atPort(port, device, description, await exportDevice(device, description, path, log));
  };
  return new ImageShelf({
    disk: realDisk,
    clock: realClock,
    log,
    node: LONE_NODE,
    state: data,
    dial: () => Promise.reject(new OperationError('NO_NODE', 'this blockd is alone')),
    serve,
    // An image that is alone is served under the epoch of its start, and no other.
    waitsForNoRoom: true,
    converter: new Converter({ disk: realDisk, serve }),
  });
}

async function serveImages(
  data: string,
  wanted: readonly WantedImage[],
  listen: ListenOptions,
  context: DaemonContext,
): Promise<Running> {
  for (const { image } of wanted) socketPath(data, image);
  const controlPath = checkPath(join(data, CONTROL_SOCKET));
  // Where the images are to be: what is refused there is refused before anything else is made.
  await makeNamed(join(data, 'layers'), '--data');
  const room = new KeptRoom(realDisk, join(data, 'kept-room'));
  await room.giveIfFull();
  const catalogue = await openCatalogue(data);
  await removeSockets(data);
  let mayServe = false;
  const port = await openPort(listen, context.log);
  const shelf = newShelf(data, context.log, port, () => mayServe);
  await shelf.start();
  const images = new LoneImages(shelf, catalogue);
  const control = new LoneControl({ shelf, records: catalogue, images, room, clock: realClock, log: context.log });
  await control.tidy();
  for (const image of await images.make(wanted)) {
    process.stderr.write(`the record of image ${image} was gone or old, and is made again from the image\n`);
  }
  for (const { image, bytes } of wanted) {
    const own = shelf.find(image)?.image.store.bytes ?? bytes;
    if (own > bytes)
      process.stderr.write(`image ${image} has become larger than --image says, and stays so: ${own} bytes\n`);
  }
  for (const error of images.unserved) reportError(error);
  const names = namesOf(shelf, images, data);
  const ended = await served(names, (image) => images.endLast(image));
  mayServe = true;
  const opened = await served(ended, async (image) => tell(image, await images.open(image, context.signal)));
  if (opened.length === 0) throw noneServed(data);
  const controlled = await control.start(controlPath);
  if (port !== undefined) process.stdout.write(`${listen.listen}${listen.tls === undefined ? '' : ' (TLS)'}\n`);
  return {
    async close() {
      await controlled.close();
      await port?.close();
      await shelf.close();
      await catalogue.close();
    },
  };
}

function namesOf(shelf: ImageShelf, images: LoneImages, data: string): string[] {
  const names = shelf.hosts.map((host) => host.name).filter((image) => images.isSettled(image));
  if (names.length > 0) return names;
  if (images.unserved.length > 0) {
    throw noneServed(data);
  }
  throw new OperationError('USAGE', `there is no image in ${data}`, { remedy: 'Say --image NAME:SIZE.' });
}

/** Does it with each image, and answers those with which it went well: one that is bad keeps no other from its clients. */
async function served(names: readonly string[], work: (image: string) => Promise<void>): Promise<string[]> {
  const well: string[] = [];
  for (const image of names) {
    try {
      await work(image);
      well.push(image);
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || code === 'CANCELLED') throw error;
      reportError(because(`image ${image} is not served`, error));
    }
  }
  return well;
}

function noneServed(data: string): OperationError {
  return new OperationError('IMAGE_UNUSABLE', `no image of ${data} can be served`, {
    remedy: 'What is wrong with each is said above; nothing of them was changed.',
  });
}

function tell(image: string, socket: string): void {
  const uri = `nbd+unix:///${image}?socket=${socket}`;
  process.stdout.write(`${socket}\n  nbdinfo '${uri}'\n  qemu-img info '${uri}'\n`);
}

async function run({ alone, data, image, ...listen }: Options): Promise<void> {
  if (alone === undefined || data === undefined) {
    throw new OperationError('USAGE', 'say --alone --data DIR; the blockd of a cluster is started by its node', {
      remedy: 'supercloud blockd --help has examples.',
    });
  }
  const log = createPlainLog('blockd');
  crashLoudly(log);
  await runUntilStopped(log, (context) => serveImages(resolve(data), image, listen, context));
  process.stdout.write('serving; Ctrl-C stops\n');
}

const program = new Command('supercloud blockd')
  .description('the block device alone: images of a directory as NBD exports on unix sockets')
  .exitOverride()
  .option('--alone', 'without a cluster')
  .option('--data <DIR>', 'where the images are kept')
  .option('--image <NAME:SIZE>', 'an image to make or to go on with; may be repeated', wantedImage, [])
  .option('--listen <ADDRESS:PORT>', 'serve them on a TCP port too')
  .option('--tls <DIR>', 'the certificates of that port')
  .option('--insecure-loopback', 'no TLS on that port, which is of this machine alone')
  .addHelpText('after', EXAMPLES)
  .action(run);

try {
  await program.parseAsync(process.argv.slice(2), { from: 'user' });
} catch (error) {
  endSaid(exitCodeOf(error));
}
