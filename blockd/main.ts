// The block daemon of a node: its store, its exports, its calls. Wires parts together and nothing else.
import { join } from 'node:path';
import { Type } from '#typebox';
import { realClock } from '../common/clock.ts';
import { runDaemon } from '../common/daemon.ts';
import { realDisk } from '../common/disk/disk.ts';
import { diskRoom } from '../common/disk/disk-room.ts';
import { lockState } from '../common/disk/state-lock.ts';
import { IdleProcessors } from '../common/idle-processors.ts';
import { loadIdentity } from '../common/membership/identity.ts';
import { startRpcServer } from '../common/rpc/server.ts';
import { blockdContract } from '../wire/contracts/blockd.ts';
import { Bytes, Ipv4 } from '../wire/names.ts';
import { BLOCKD_PORT, NBD_PORT } from '../wire/ports.ts';
import { Converter } from './convert/converter.ts';
import { blockCalls } from './image/block-calls.ts';
import { ImageShelf } from './image/image-shelf.ts';
import type { Serve } from './image/served-image.ts';
import { memberTls } from './nbd/member-tls.ts';
import { atPort, NbdPort } from './nbd/nbd-port.ts';
import { exportDevice } from './nbd/nbd-server.ts';
import { peerDial, serveCopy, servePeer } from './peer/peer-socket.ts';

const Config = Type.Object({
  /** Durable: images and members. */
  state: Type.String(),
  /** The directory of this node's key and certificates. */
  identity: Type.String(),
  /** The underlay address to listen on. */
  address: Ipv4,
  /** Exports' unix sockets, as IMAGE.sock; a short path (a socket's is at most 107 bytes). */
  run: Type.String(),
  /** The most that blocks may take that are only cached here; whatever it is, a tenth of the disk is kept free of them. */
  cacheCapBytes: Type.Optional(Bytes),
  /** Exports are on the node's NBD port too, by TLS and for members alone. */
  nbdPort: Type.Optional(Type.Boolean()),
});

await runDaemon('blockd', Config, async (config, { log }) => {
  const identity = await loadIdentity(config.identity);
  await realDisk.makeDirectory(config.run);
  await realDisk.makeDirectory(config.state);
  lockState(config.state, 'blockd');
  const listen = { address: config.address, port: NBD_PORT };
  const port = config.nbdPort === true ? await NbdPort.open({ listen, log, ...memberTls(identity) }) : undefined;
  const serve: Serve = async (device, name, bytes, isReadOnly = false) => {
    const description = { name, bytes, isReadOnly };
    const local = await exportDevice(device, description, join(config.run, `${name}.sock`), log);
    return atPort(port, device, description, local);
  };
  const shelf: ImageShelf = new ImageShelf({
    disk: realDisk,
    clock: realClock,
    log,
    node: identity.node,
    state: config.state,
    dial: peerDial(identity, (node) => shelf.members.addressOf(node)),
    serve,
    converter: new Converter({ disk: realDisk, serve }),
    cache: { capBytes: config.cacheCapBytes, room: () => diskRoom(config.state) },
    processor: new IdleProcessors(),
  });
  await shelf.start();
  const server = await startRpcServer({
    contract: blockdContract,
    handlers: blockCalls(shelf),
    identity,
    listen: { address: config.address, port: BLOCKD_PORT },
    bulk: {
      blocks: (socket, { node }, layer) => servePeer(socket, realClock, node, shelf.layers.served(layer)),
      copies: (socket, { node }) => serveCopy(socket, node, shelf.kept),
    },
    log,
  });
  return {
    async close() {
      await server.close();
      await port?.close();
      await shelf.close();
    },
  };
});
