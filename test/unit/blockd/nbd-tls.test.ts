// TLS as the protocol demands it: the options before and after, byte by byte, and who is let in on a real port.
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memberTls } from '../../../blockd/nbd/member-tls.ts';
import { NbdPort } from '../../../blockd/nbd/nbd-port.ts';
import { NbdSession } from '../../../blockd/nbd/nbd-session.ts';
import type { Identity } from '../../../common/membership/identity.ts';
import { member, quiet, stranger, within } from '../common/members.ts';
import { clientFlags, FakeDevice, go, option, optionReplies, SIZE, Wire } from './nbd-client.ts';

const STARTTLS = option(5);
const TLS_REQUIRED = 0x80000005;

class TlsWire extends Wire {
  started = 0;

  startTls(): void {
    this.started++;
  }
}

function demanding(): { session: NbdSession; wire: TlsWire } {
  const wire = new TlsWire();
  const session = new NbdSession(new FakeDevice(), { name: 'web', bytes: SIZE }, wire);
  wire.take();
  session.receive(clientFlags());
  return { session, wire };
}

test('before TLS every option but STARTTLS and ABORT is told that it is required', () => {
  const { session, wire } = demanding();
  const early = [option(3), option(6, go('web')), option(7, go('other')), option(8), option(9), option(99)];
  session.receive(Buffer.concat([...early, option(7, Buffer.alloc(9000)), option(5, Buffer.alloc(1))]));
  assert.equal(
    optionReplies(wire.take()).map(([, type]) => type),
    [...early.map(() => TLS_REQUIRED), TLS_REQUIRED, 0x80000003],
  );
  session.receive(option(2));
  assert.equal(optionReplies(wire.take()), [[2, 1, '']]);
  assert.ok(wire.ended);
});

test('the old way in, which has no errors, ends the connection', () => {
  const { session, wire } = demanding();
  session.receive(option(1, Buffer.from('web')));
  assert.ok(wire.ended);
  assert.is(wire.take().length, 0);
});

test('after STARTTLS all goes on inside, and a second one is invalid', () => {
  const { session, wire } = demanding();
  session.receive(STARTTLS);
  assert.equal(optionReplies(wire.take()), [[5, 1, '']]);
  assert.is(wire.started, 1);
  session.receive(Buffer.concat([STARTTLS, option(7, go('web'))]));
  assert.equal(
    optionReplies(wire.take()).map(([, type]) => type),
    [0x80000003, 3, 1],
  );
});

test('what is sent in the clear along with STARTTLS is nobody’s word: the connection ends', () => {
  const { session, wire } = demanding();
  session.receive(Buffer.concat([STARTTLS, option(7, go('web'))]));
  assert.ok(wire.dropped);
  assert.is(wire.started, 0);
  session.receive(option(7, go('web')));
  assert.equal(optionReplies(wire.take()), [[5, 1, '']]);
});

let served: NbdPort;

test.before(async () => {
  const listen = { address: '127.0.0.1', port: 0 };
  served = await NbdPort.open({ listen, log: quiet, ...memberTls(await member('a')) });
  served.add(new FakeDevice(), { name: 'web', bytes: SIZE });
});

test.after(() => served.close());

/** A connection that was told to begin TLS. */
async function atTls(): Promise<Socket> {
  const socket = connectTcp(served.port, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  socket.write(Buffer.concat([clientFlags(), STARTTLS]));
  let got = 0;
  while (got < 18 + 20) {
    const [chunk] = (await within(once(socket, 'data'))) as [Buffer];
    got += chunk.length;
  }
  socket.removeAllListeners('data').pause();
  return socket;
}

/** What the server says inside TLS to a client with the identity: its bytes, or that it hung up. */
async function answerTo(identity: Identity, authority: string): Promise<Buffer | 'hung up'> {
  const socket = await atTls();
  const { key, certificate: cert } = identity;
  const inside = connectTls({ socket, servername: 'a', key, cert, ca: authority });
  inside.on('error', () => inside.destroy());
  inside.write(option(6, go('web')));
  const closed = once(inside, 'close').then((): 'hung up' => 'hung up');
  const data = once(inside, 'data').then(([chunk]) => chunk as Buffer);
  const answer = await within(Promise.race([closed, data.catch((): 'hung up' => 'hung up')]));
  inside.destroy();
  return answer;
}

test('members are let in, strangers and operators are not', async () => {
  const { authority } = await member('a');
  const answer = await answerTo(await member('b'), authority);
  if (answer === 'hung up') throw new Error('a member was turned away');
  assert.is(answer.readBigUInt64BE(0), 0x3e889045565a9n);
  assert.is(await answerTo(await member('o', 'operator'), authority), 'hung up');
  assert.is(await answerTo(await stranger('b'), authority), 'hung up');
});

test('rubbish instead of TLS ends its connection and no other', async () => {
  const socket = await atTls();
  const closed = once(socket, 'close');
  socket.resume();
  socket.write(Buffer.concat([option(7, go('web')), Buffer.alloc(64)]));
  await within(closed);
  const { authority } = await member('a');
  assert.not.equal(await answerTo(await member('c'), authority), 'hung up');
});

test.run();
