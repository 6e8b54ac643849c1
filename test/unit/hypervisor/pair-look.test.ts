// What an agent finds of another node: its ports, its clock, round trips, and how fast bytes come, over real connections.
import { createServer } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, realClock } from '../../../common/clock.ts';
import { rpcClient } from '../../../common/rpc/client.ts';
import { type RpcServer, startRpcServer } from '../../../common/rpc/server.ts';
import { PairLook } from '../../../hypervisor/pair/pair-look.ts';
import { judgeAnswers } from '../../../hypervisor/pair/round-trips.ts';
import { RATE_PURPOSE, RateSource, steadyRate, TRANSFER_BYTES_MAX } from '../../../hypervisor/pair/transfer.ts';
import { contract } from '../../../wire/contract.ts';
import { hypervisorContract } from '../../../wire/contracts/hypervisor.ts';
import { failure, member, quiet } from '../common/members.ts';

const alpha = await member('alpha');
const beta = await member('beta');
const PEER = { node: 'beta', address: '127.0.0.1' };
const AHEAD_MS = 60_000;
/** The calls of an agent that are asked for here. */
const { 'clock.read': clockRead } = hypervisorContract.methods;
const asked = contract('hypervisor', { 'clock.read': clockRead });

function serve(clock: Clock): Promise<RpcServer> {
  const rates = new RateSource(clock);
  return startRpcServer({
    ...{ contract: asked, identity: beta, log: quiet, listen: { address: PEER.address, port: 0 } },
    handlers: { 'clock.read': () => ({ wallMs: clock.wallMs() }) },
    bulk: { [RATE_PURPOSE]: (socket) => rates.send(socket) },
  });
}

const ping = () => Promise.resolve();
const LOOK = { peer: PEER, isController: false, path: PEER.address };

function lookOf(port: number, blockd: number) {
  const client = rpcClient(hypervisorContract, { ...PEER, port }, alpha);
  const neighbours = { agent: () => client, agentTarget: () => ({ ...PEER, port }) };
  const parts = {
    identity: alpha,
    clock: realClock,
    ports: { hypervisor: port, blockd },
    neighbours,
    ping,
    log: quiet,
  };
  return { client, pair: new PairLook(parts) };
}

/** A port at which nobody listens, and one that accepts and says something that is no TLS. */
async function otherPorts(): Promise<{ free: number; babbling: number; close: () => void }> {
  const babbler = createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-other\r\n'));
  const listening = createServer();
  for (const one of [babbler, listening]) {
    await new Promise<void>((resolve) => one.listen(0, PEER.address, resolve));
  }
  const portOf = (server: typeof babbler): number => {
    const at = server.address();
    return typeof at === 'object' && at !== null ? at.port : 0;
  };
  const found = { free: portOf(listening), babbling: portOf(babbler), close: () => void babbler.close() };
  await new Promise<void>((resolve) => void listening.close(() => resolve()));
  return found;
}

test('ports that are open, closed, and of somebody else; a clock that is ahead; round trips', async () => {
  const server = await serve({ ...realClock, wallMs: () => realClock.wallMs() + AHEAD_MS });
  const others = await otherPorts();
  const { client, pair } = lookOf(server.port, others.free);
  const { ports, clock, roundTrip, path } = await pair.look(LOOK);
  assert.equal(path, { longestBytes: 1_500 });
  assert.equal(
    ports.map(({ daemon, outcome }) => `${daemon} ${outcome}`),
    ['hypervisor open', 'blockd refused'],
  );
  const errorMs = clock?.errorMs ?? Number.NaN;
  assert.ok(Math.abs((clock?.offsetMs ?? 0) - AHEAD_MS) <= errorMs + 1, `${clock?.offsetMs} within ${errorMs}`);
  assert.is(roundTrip?.samples, 9);
  assert.ok((roundTrip?.minMs ?? Number.NaN) <= (roundTrip?.medianMs ?? Number.NaN));
  const stranger = lookOf(others.babbling, others.babbling);
  const strange = await stranger.pair.look({ ...LOOK, path: null });
  assert.ok('missing' in strange.path);
  assert.equal(
    strange.ports.map(({ outcome }) => outcome),
    ['strange', 'strange'],
  );
  assert.is(strange.roundTrip, null);
  client.close();
  stranger.client.close();
  others.close();
  await server.close();
});

test('a transfer brings 8 MiB, and a second one at the same time nothing', async () => {
  const server = await serve(realClock);
  const { pair } = lookOf(server.port, server.port);
  const outcomes = await Promise.allSettled([pair.rate(PEER), pair.rate(PEER)]);
  const [rate] = outcomes.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const [error] = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  assert.is(rate?.bytes, TRANSFER_BYTES_MAX);
  assert.ok((rate?.bytesPerSecond ?? 0) > 0);
  assert.is((await failure(Promise.reject(error))).code, 'TRANSFER_EMPTY');
  assert.is((await pair.rate(PEER)).bytes, TRANSFER_BYTES_MAX, 'and a later one does');
  await server.close();
});

test('the quickest answer tells the clock, whatever the others took', () => {
  const answer = (roundTripMs: number, late: number) => ({
    roundTripMs,
    calledWallMs: 1_000,
    peerWallMs: 1_000 + 5_000 + roundTripMs / 2 + late,
  });
  const { clock, roundTrip } = judgeAnswers([answer(80, 30), answer(20, 0), answer(400, -150)]);
  assert.equal(clock, { offsetMs: 5_000, errorMs: 10 });
  assert.equal(roundTrip, { minMs: 20, medianMs: 80, samples: 3 });
  assert.equal(judgeAnswers([]), { clock: null, roundTrip: null });
});

test('the rate is that of the later half', () => {
  const slowStart = [1, 2, 4, 8, 16].map((bytes, at) => ({ atMs: 100 * at, bytes: bytes * 1_000 }));
  assert.equal(steadyRate(slowStart), { bytes: 16_000, ms: 400, bytesPerSecond: 80_000 });
  assert.is(steadyRate([{ atMs: 0, bytes: 10 }]).bytesPerSecond, 0);
  const two = [
    { atMs: 0, bytes: 1_000 },
    { atMs: 500, bytes: 3_000 },
  ];
  assert.is(steadyRate(two).bytesPerSecond, 4_000);
});

test.run();
