// What two nodes' figures of one another come to: each thing that can be wrong, and that nothing is called wrong twice.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { judge } from '../../../orchestrator/network/doctor-judge.ts';
import type { Finding, PairEnd, PeerFigures, PortFigures } from '../../../wire/contracts/doctor.ts';

const OPEN: PortFigures[] = [
  { daemon: 'hypervisor', port: 7443, outcome: 'open', reason: '' },
  { daemon: 'blockd', port: 7442, outcome: 'open', reason: '' },
];
const PEER: PeerFigures = {
  ports: OPEN,
  roundTrip: { minMs: 75, medianMs: 76, samples: 9 },
  clock: { offsetMs: 3, errorMs: 37.5 },
  path: { longestBytes: 1_500 },
};
const LINK = { hasTunnel: true, heard: 20, longestBytes: 1_344, wantedBytes: 1_344 };
const RATE = { bytes: 8 << 20, ms: 700, bytesPerSecond: 12e6 };

function end(node: string, changed: Partial<PairEnd> = {}): PairEnd {
  const address = node === 'alpha' ? '10.77.0.1' : '10.77.0.2';
  return { node, address, peer: PEER, link: LINK, rate: RATE, ...changed };
}

function findings(a: Partial<PairEnd> = {}, b: Partial<PairEnd> = {}, isEncrypted = false): Finding[] {
  return judge({ ends: [end('alpha', a), end('beta', b)], isEncrypted });
}

/** Those of a verdict, as `subject from>to`. */
function those(found: readonly Finding[], verdict: Finding['verdict']): string[] {
  return found.filter((one) => one.verdict === verdict).map(({ subject, from, to }) => `${subject} ${from}>${to}`);
}

function remedy(found: readonly Finding[], subject: Finding['subject']): string {
  return found.find((one) => one.subject === subject && one.verdict === 'wrong')?.remedy ?? '';
}

function ports(...outcomes: readonly PortFigures['outcome'][]): Partial<PairEnd> {
  const some = OPEN.map((port, at) => ({ ...port, outcome: outcomes[at] ?? 'open', reason: outcomes[at] ?? '' }));
  return { peer: { ...PEER, ports: some } };
}

test('nothing is wrong, and each line has its figure', () => {
  const all = findings();
  assert.equal(those(all, 'ok').length, 10);
  assert.ok(all.every(({ figure, remedy: said }) => figure !== '' && said === ''));
  assert.is(all[0]?.figure, 'open: hypervisor 7443, blockd 7442');
  const mtu = all.find(({ subject }) => subject === 'MTU')?.figure ?? '';
  assert.is(mtu, "guests' packets of 1330 bytes come through; the path takes 1500 bytes in one piece");
});

test('a port: silent beside others, silent with all, not listening, not trusted', () => {
  const one = findings(ports('open', 'silent'));
  assert.equal(those(one, 'wrong'), ['ports alpha>beta']);
  assert.match(remedy(one, 'ports'), /TCP port 7442 of beta in from 10\.77\.0\.1/);
  assert.match(remedy(findings(ports('silent', 'silent')), 'ports'), /let the TCP ports in there from alpha/);
  assert.match(remedy(findings(ports('silent', 'silent'), {}, true), 'ports'), /WireGuard's UDP port/);
  assert.is(remedy(findings(ports('open', 'refused')), 'ports'), 'Start blockd at beta.');
  assert.match(remedy(findings(ports('strange')), 'ports'), /certificates and the clocks/);
});

test('an agent that does not answer the controller says so once; what it would have measured is unknown', () => {
  const all = findings({ peer: { missing: 'cannot reach' }, link: { missing: 'cannot reach' }, rate: null });
  assert.equal(those(all, 'wrong'), ['ports alpha>beta', 'tunnel alpha>beta', 'tunnel beta>alpha']);
  assert.match(remedy(all, 'ports'), /Start the daemon hypervisor at alpha/);
  assert.match(remedy(all, 'tunnel'), /Start the daemon switch-agent at alpha/);
  assert.equal(those(all, 'unknown'), ['MTU beta>alpha', 'bandwidth beta>alpha']);
});

test('a tunnel that takes nothing one way is told for that way, and its MTU is unknown', () => {
  const all = findings({}, { link: { ...LINK, heard: 0, longestBytes: 0 } });
  assert.equal(those(all, 'wrong'), ['tunnel alpha>beta']);
  assert.equal(those(all, 'unknown'), ['MTU alpha>beta']);
  assert.match(remedy(all, 'tunnel'), /UDP port 4789 of beta in from 10\.77\.0\.1/);
  const none = findings({}, { link: { ...LINK, hasTunnel: false, heard: 0, longestBytes: 0 } });
  assert.equal(those(none, 'wrong'), []);
});

test('an MTU that is too small, with what the path needs', () => {
  const small = { link: { ...LINK, longestBytes: 1_214 } };
  const all = findings(small);
  assert.equal(those(all, 'wrong'), ['MTU beta>alpha']);
  assert.match(all.find(({ verdict }) => verdict === 'wrong')?.figure ?? '', /of 1200 bytes .* 1330 are needed/);
  assert.match(remedy(all, 'MTU'), /from beta to alpha to 1380 bytes/);
  assert.match(remedy(findings(small, {}, true), 'MTU'), /to 1460 bytes/);
});

test('a path that takes long packets in fragments alone is told, by the end that sends', () => {
  const path = (longestBytes: number) => ({ peer: { ...PEER, path: { longestBytes } } });
  assert.equal(those(findings(path(1_380)), 'wrong'), []);
  const all = findings(path(1_340));
  assert.equal(those(all, 'wrong'), ['MTU alpha>beta']);
  const figure = all.find(({ verdict }) => verdict === 'wrong')?.figure ?? '';
  assert.match(
    figure,
    /1330 bytes come through in fragments: 1380 are needed, and the path takes 1340 bytes in one piece/,
  );
  assert.match(remedy(all, 'MTU'), /from alpha to beta to 1380 bytes/);
  assert.equal(those(findings({}, path(1_440), true), 'wrong'), ['MTU beta>alpha']);
  assert.equal(those(findings({}, path(1_460), true), 'wrong'), []);
});

test('where nothing answers pings it is said that fragments are not known of, and nothing is wrong', () => {
  const all = findings({ peer: { ...PEER, path: { missing: '10.77.0.2 answers no pings' } } });
  assert.equal(those(all, 'wrong'), []);
  const figure = all.find(({ subject }) => subject === 'MTU')?.figure ?? '';
  assert.match(figure, /1330 bytes come through; not known whether in one piece: 10\.77\.0\.2 answers no pings/);
});

test('two that do not probe each other have no tunnel to judge, and that is said', () => {
  const none = { link: { ...LINK, hasTunnel: false, heard: 0, longestBytes: 0 } };
  const all = findings(none, none);
  assert.equal(those(all, 'wrong'), []);
  assert.equal(those(all, 'unknown'), ['tunnel alpha>beta', 'tunnel beta>alpha', 'MTU alpha>beta', 'MTU beta>alpha']);
  const [tunnel, mtu] = ['tunnel', 'MTU'].map((wanted) => all.find(({ subject }) => subject === wanted)?.figure ?? '');
  assert.match(tunnel ?? '', /^these two do not probe each other: no tunnel joins them /);
  assert.is(mtu, 'no tunnel is probed; the path takes 1500 bytes in one piece');
});

test('clocks: by the surer end, in the order of the names, and only beyond what is not sure', () => {
  const sure = { peer: { ...PEER, clock: { offsetMs: -60_000, errorMs: 5 } } };
  const ahead = findings({}, sure).find(({ subject }) => subject === 'clocks');
  assert.is(ahead?.verdict, 'wrong');
  assert.match(ahead?.figure ?? '', /beta is 60000 ms ahead/);
  const unsure = { peer: { ...PEER, clock: { offsetMs: 1_300, errorMs: 400 } } };
  assert.equal(those(findings(unsure, { peer: { ...PEER, clock: null } }), 'wrong'), []);
  const beyond = { peer: { ...PEER, clock: { offsetMs: 1_401, errorMs: 400 } } };
  assert.equal(those(findings(beyond, { peer: { ...PEER, clock: null } }), 'wrong'), ['clocks alpha>beta']);
});

test('a round trip that is too long, a way that is too narrow, and one that was not asked about', () => {
  const slow = { peer: { ...PEER, roundTrip: { minMs: 1_500, medianMs: 1_600, samples: 3 } } };
  assert.equal(those(findings(slow, slow), 'wrong'), ['RTT alpha>beta']);
  const narrow = { rate: { ...RATE, bytesPerSecond: 900_000 } };
  assert.equal(those(findings({}, narrow), 'wrong'), ['bandwidth alpha>beta']);
  assert.equal(those(findings({ rate: null }, { rate: null }), 'unknown').length, 2);
});

test.run();
