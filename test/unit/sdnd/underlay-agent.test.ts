// A node's agent of the encrypted underlay: what it keeps, tells and sets, with the controller there and away; and the rules
// by which tunnels are taken.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../../common/clock.ts';
import { nextKeys, toldKeys } from '../../../sdnd/underlay/key-rotation.ts';
import { tunnelRules } from '../../../sdnd/underlay/tunnel-filter.ts';
import { UnderlayAgent, type UnderlayAgentParts } from '../../../sdnd/underlay/underlay-agent.ts';
import { UnderlayBook } from '../../../sdnd/underlay/underlay-book.ts';
import type { WantedPeer } from '../../../sdnd/underlay/underlay-peers.ts';
import { newKeyPair, publicKeyOf } from '../../../sdnd/underlay/wireguard-keys.ts';
import type { UnderlayMember, UnderlayPlace } from '../../../wire/contracts/underlay.ts';
import { quiet } from '../common/members.ts';
import { TurnedClock } from '../common/turned-clock.ts';

function member(node: string, index: number): UnderlayMember {
  const inner = { address: `10.77.0.${index}`, port: 51_820 };
  return { node, cloud: node, address: `10.99.0.${index}`, keys: [newKeyPair().publicKey], inner, outer: inner };
}

const MEMBERS = [member('alpha', 1), member('beta', 2)];
const [ALPHA, BETA] = MEMBERS as [UnderlayMember, UnderlayMember];

/** A disk of files in memory. */
function filesOf(files = new Map<string, Uint8Array>()) {
  return {
    files,
    readWhole: async (path: string) => {
      const bytes = files.get(path);
      if (bytes === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' });
      return bytes;
    },
    replace: async (path: string, bytes: Uint8Array) => void files.set(path, bytes),
  };
}

async function stand(kept: readonly UnderlayMember[] = []) {
  const disk = filesOf();
  const clock = new TurnedClock();
  /** What somebody has set the clock of the day forward by. */
  const skew = { ms: 0 };
  const skewed: Clock = {
    nowMs: () => clock.nowMs(),
    wallMs: () => clock.wallMs() + skew.ms,
    setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire),
  };
  const book = await UnderlayBook.open(disk, '/state', clock.wallMs());
  await book.keepMembers(kept);
  const done: string[] = [];
  const places: UnderlayPlace[] = [];
  let tell: ((members: UnderlayMember[], away?: string[]) => void) | undefined;
  let spoken = '';
  let isRefused = false;
  let away: ((error: Error) => void) | undefined;
  const controller = {
    call: (
      _name: string,
      place: UnderlayPlace,
      { onProgress }: { onProgress: (told: { members: UnderlayMember[]; away?: string[] }) => void },
    ) => {
      done.push('join');
      places.push(place);
      tell = (members, away) => onProgress({ members, ...(away !== undefined && { away }) });
      return new Promise((_resolve, reject) => {
        away = reject;
      });
    },
  } as UnderlayAgentParts['controller'];
  const device = {
    show: async () => ({ publicKey: spoken, listenPort: 51_820, peers: [] }),
    setKey: async (privateKey: string) => {
      spoken = publicKeyOf(privateKey);
      done.push('key');
    },
    setPeers: async (wanted: readonly WantedPeer[]) => {
      done.push(`peers ${wanted.map(({ addresses }) => addresses.join()).join(' ')}`);
      return true;
    },
  };
  const { node: _node, keys: _keys, ...place } = ALPHA;
  const keyTimes = { lifeMs: 100_000, settleMs: 10_000 };
  const agent = new UnderlayAgent({
    ...{ node: 'alpha', place, keyTimes, device, book, controller, clock: skewed, log: quiet },
    filter: async (members) => void done.push(`filter ${members.join()}`),
    relay: async () => {
      done.push('relay');
      if (isRefused) throw new Error('read-only');
    },
    greet: (members) => void done.push(`greet ${members.join()}`),
  });
  await agent.start();
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    disk,
    clock,
    skew,
    done,
    places,
    book,
    agent,
    settle,
    tell: (all: UnderlayMember[], away?: string[]) => tell?.(all, away),
    end: () => away?.(new Error()),
    refuse: () => {
      isRefused = true;
    },
  };
}

test('a node speaks to the members that it knew before it hears of any, and then to those it hears of', async () => {
  const { done, tell, settle, agent, disk } = await stand([ALPHA, BETA]);
  assert.equal(done, ['key', 'filter 10.99.0.1,10.99.0.2', 'peers 10.99.0.2', 'greet 10.99.0.2', 'join']);
  done.length = 0;
  tell([...MEMBERS, member('gamma', 3)]);
  await settle();
  assert.equal(done, [
    'filter 10.99.0.1,10.99.0.2,10.99.0.3',
    'peers 10.99.0.2 10.99.0.3',
    'greet 10.99.0.2,10.99.0.3',
  ]);
  assert.is((await UnderlayBook.open(disk, '/state', 0)).members.length, 3);
  agent.stop();
});

test('the device is looked at again and again, and the controller asked again when it was away', async () => {
  const { done, clock, settle, agent, end } = await stand([ALPHA, BETA]);
  done.length = 0;
  end();
  await settle();
  clock.turn(1_000);
  await settle();
  assert.equal(done, ['join']);
  clock.turn(4_000);
  await settle();
  assert.equal(done, ['join', 'filter 10.99.0.1,10.99.0.2', 'peers 10.99.0.2', 'greet 10.99.0.2']);
  agent.stop();
  clock.turn(60_000);
  await settle();
  assert.is(done.length, 4);
});

test('a key is drawn once and kept; what is damaged of the members is nothing', async () => {
  const disk = filesOf();
  const { keys } = await UnderlayBook.open(disk, '/state', 7);
  assert.is(publicKeyOf(keys.current).length, 44);
  disk.files.set('/state/underlay.json', Buffer.from('[{"node": 1}'));
  const again = await UnderlayBook.open(disk, '/state', 9);
  assert.equal(again.keys, keys);
  assert.equal(again.members, []);
});

test('a new key is told before it speaks, and the old one until the others have had time to use the new', () => {
  const [first, second] = [newKeyPair(), newKeyPair()];
  const times = { lifeMs: 100, settleMs: 10 };
  const draw = (): string => second.privateKey;
  const fresh = { current: first.privateKey, sinceMs: 0 };
  assert.is(nextKeys(fresh, times, { nowMs: 99, toldMs: 0, draw }), undefined);
  assert.is(nextKeys(fresh, times, { nowMs: 200, toldMs: undefined, draw }), undefined);
  const told = nextKeys(fresh, times, { nowMs: 100, toldMs: 0, draw });
  assert.equal(told && toldKeys(told), [first.publicKey, second.publicKey]);
  assert.is(told?.current, first.privateKey);
  assert.is(told && nextKeys(told, times, { nowMs: 500, toldMs: 491, draw }), undefined);
  const turned = told && nextKeys(told, times, { nowMs: 500, toldMs: 490, draw });
  assert.is(turned?.current, second.privateKey);
  assert.equal(turned && toldKeys(turned), [first.publicKey, second.publicKey]);
  assert.is(turned && nextKeys(turned, times, { nowMs: 509, toldMs: 500, draw }), undefined);
  const alone = turned && nextKeys(turned, times, { nowMs: 510, toldMs: 500, draw });
  assert.equal(alone, { current: second.privateKey, sinceMs: 500 });
});

test('the agent draws a key in time, and uses it when the controller has told of it', async () => {
  const { clock, done, places, tell, settle, agent, book } = await stand();
  const placed = (): UnderlayMember[] => [{ node: 'alpha', ...(places.at(-1) as UnderlayPlace) }, BETA];
  const turn = async (ms: number): Promise<void> => {
    for (let turned = 0; turned < ms; turned += 250) {
      clock.turn(250);
      await settle();
    }
  };
  const before = book.keys.current;
  tell(placed());
  await turn(110_000);
  assert.is(places.length, 2);
  assert.is(book.keys.current, before, 'nobody has heard of the new one');
  await turn(20_000);
  assert.is(book.keys.current, before);
  done.length = 0;
  tell(placed());
  await turn(11_000);
  assert.is.not(book.keys.current, before);
  assert.ok(done.includes('key'));
  assert.equal(places.at(-1)?.keys, [publicKeyOf(before), publicKeyOf(book.keys.current)]);
  tell(placed());
  await turn(11_000);
  assert.equal(places.at(-1)?.keys, [publicKeyOf(book.keys.current)]);
  agent.stop();
});

test('whoever sets the clock turns no key too early, and keeps none for ever', async () => {
  const { clock, skew, places, tell, settle, agent, book } = await stand();
  const placed = (): UnderlayMember[] => [{ node: 'alpha', ...(places.at(-1) as UnderlayPlace) }, BETA];
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 250) {
      clock.turn(250);
      await settle();
    }
  };
  const before = book.keys.current;
  tell(placed());
  await pass(110_000);
  assert.is(places.length, 2);
  tell(placed());
  await pass(1_000);
  skew.ms = 3_600_000;
  await pass(6_000);
  assert.is(book.keys.current, before, 'the others have had seven seconds');
  await pass(5_000);
  assert.is.not(book.keys.current, before);
  tell(placed());
  await pass(11_000);
  assert.is(places.at(-1)?.keys.length, 1);
  tell(placed());
  skew.ms = -3_600_000;
  await pass(6_000);
  assert.is(places.at(-1)?.keys.length, 2, 'another is drawn');
  agent.stop();
});

test('members that a controller without its records does not know are spoken to as before', async () => {
  const { tell, settle, agent, book, done } = await stand([ALPHA, BETA]);
  done.length = 0;
  tell([ALPHA]);
  await settle();
  assert.equal(done.slice(0, 2), ['filter 10.99.0.1,10.99.0.2', 'peers 10.99.0.2']);
  const gamma = { ...member('gamma', 3), address: BETA.address };
  tell([ALPHA, gamma]);
  await settle();
  assert.equal(book.members, [ALPHA, gamma]);
  agent.stop();
});

test('a node that two others may need as their relay sends on; that it cannot keeps it from nothing else', async () => {
  const hidden = ['gamma', 'delta'].map((node, at): UnderlayMember => {
    const { outer: _outer, ...place } = member(node, 3 + at);
    return place;
  });
  const { done, tell, settle, agent, refuse } = await stand([ALPHA]);
  assert.not.ok(done.includes('relay'));
  done.length = 0;
  refuse();
  tell([ALPHA, ...hidden]);
  await settle();
  await settle();
  assert.equal(done, [
    'filter 10.99.0.1,10.99.0.3,10.99.0.4',
    'peers 10.99.0.3 10.99.0.4',
    'relay',
    'greet 10.99.0.3,10.99.0.4',
  ]);
  agent.stop();
});

test('who relays nothing is kept over a restart, and so is whom the controller does not know', async () => {
  const { tell, settle, agent, book, disk } = await stand([ALPHA, BETA, member('gamma', 3)]);
  tell([ALPHA, BETA], ['beta']);
  await settle();
  assert.equal(book.away, ['beta', 'gamma']);
  assert.equal((await UnderlayBook.open(disk, '/state', 0)).away, ['beta', 'gamma']);
  tell([ALPHA, BETA], undefined);
  await settle();
  assert.equal(book.away, ['beta', 'gamma'], 'a controller that does not know yet changes nothing');
  agent.stop();
});

test('what comes out of the device goes on from member to member, to the node’s own switch, and nowhere else', () => {
  const rules = tunnelRules({ device: 'wg0', members: ['10.99.0.1'], switchDevices: ['vx0'] });
  assert.match(rules, /hook forward priority -300; policy accept;\n {4}iifname "wg0" jump relayed/);
  assert.match(
    rules,
    'oifname { "vx0" } accept\n    oifname "wg0" ip saddr @members ip daddr @members accept\n    counter drop',
  );
});

test('who relays tells nobody of a shorter way', () => {
  const rules = tunnelRules({ device: 'wg0', members: ['10.99.0.1'], switchDevices: [] });
  assert.match(rules, /hook output priority -300; policy accept;\n {4}oifname "wg0" icmp type redirect drop/);
});

test('tunnels are taken from members by the device, and from the node’s own switch', () => {
  const rules = tunnelRules({ device: 'wg0', members: ['10.99.0.1', '10.99.0.2'], switchDevices: ['vx0'] });
  assert.match(rules, 'iifname { "vx0" } accept\n    iifname "wg0" ip saddr @members accept\n    counter drop');
  assert.match(rules, 'elements = { 10.99.0.1, 10.99.0.2 }');
  assert.match(rules, 'udp dport 4789 jump tunnels');
  const alone = tunnelRules({ device: 'wg0', members: [], switchDevices: [] });
  assert.not.match(alone, 'elements');
  assert.not.match(alone, 'vx0');
});

test.run();
