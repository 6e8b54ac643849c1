// Guests in security groups at one switch, which remembers their connections: what a rule allows comes, and its answers; when
// the rule goes the connection ends; what came with a guest is answered without a rule, but opens nothing.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { OverlayView } from '../../../../sdnd/forwarding/view.ts';
import { CARRIED_SEC } from '../../../../sdnd/pipeline.ts';
import type { Binding } from '../../../../wire/contracts/sdnd.ts';
import type { SecurityRule } from '../../../../wire/contracts/security-groups.ts';
import { fromGuest, OneSwitch } from '../one-switch.ts';
import { bindingOf, portNoOf, viewOf } from '../overlay-maker.ts';

const [ASKER, WEB, OTHER] = [bindingOf('g0', 'n0'), bindingOf('g1', 'n0'), bindingOf('g2', 'n0')];
const [SOURCE, HTTP] = [40_000, 80];
const HTTP_IN: SecurityRule = {
  ...{ direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp' },
  ports: { first: HTTP, last: HTTP },
};
const OUT: SecurityRule = { direction: 'egress', ethertype: 'IPv4', protocol: 'tcp' };

/** WEB is in the group of these rules, nobody else in any. */
function judged(rules: readonly SecurityRule[], more: Partial<OverlayView> = {}): OverlayView {
  return { ...viewOf([ASKER, WEB, OTHER]), groups: [{ name: 'web', rules: [...rules], members: ['g1'] }], ...more };
}

/** Of a packet from a port of one guest to one of another. */
function frame(from: Binding, port: number, to: Binding, toPort: number) {
  return fromGuest(from, port, to.mac, { ip: to.ip, port: toPort });
}

const ASKED = frame(ASKER, SOURCE, WEB, HTTP);
const ANSWER = frame(WEB, HTTP, ASKER, SOURCE);

test('what a rule allows comes, and the answers to it; nothing else comes or goes', () => {
  const one = new OneSwitch('n0', judged([HTTP_IN]));
  assert.equal(one.goesOn(ANSWER), [], 'an answer to nothing');
  assert.equal(
    one.opens(ASKED).map(({ portNo }) => portNo),
    [portNoOf(WEB)],
  );
  assert.equal(
    one.goesOn(ANSWER).map(({ portNo }) => portNo),
    [portNoOf(ASKER)],
  );
  assert.is(one.goesOn(ASKED).length, 1);
  assert.equal(one.opens(frame(ASKER, SOURCE, WEB, HTTP + 1)), []);
  assert.equal(one.opens(frame(WEB, SOURCE, ASKER, HTTP)), [], 'it may open nothing');
  assert.is(one.opens(frame(ASKER, SOURCE, OTHER, 22)).length, 1, 'who is in no group is not judged');
});

test('a connection ends with the rule that allowed it', () => {
  const one = new OneSwitch('n0', judged([HTTP_IN]));
  assert.is(one.opens(ASKED).length, 1);
  one.update(judged([]));
  assert.equal(one.goesOn(ASKED), []);
  one.update(judged([HTTP_IN]));
  assert.is(one.goesOn(ASKED).length, 1);
});

test('on a connection that came with its guest the far end may speak first, but open none; its guest needs its rule', () => {
  const connection = {
    protocol: 'tcp' as const,
    from: { address: WEB.ip, port: SOURCE },
    to: { address: ASKER.ip, port: HTTP },
  };
  const { guests } = viewOf([ASKER, WEB, OTHER], [], [], new Map([['g1', [connection]]]));
  const one = new OneSwitch('n0', judged([], { guests }));
  const pushed = frame(ASKER, HTTP, WEB, SOURCE);
  assert.equal(one.opens(pushed), []);
  assert.is(one.goesOn(pushed).length, 1);
  const onward = frame(WEB, SOURCE, ASKER, HTTP);
  assert.equal(one.goesOn(onward), []);
  one.update(judged([OUT]));
  assert.is(one.goesOn(onward).length, 1);
  assert.is(one.goesOn(pushed).length, 1, 'the switch has seen it by now');
  const late = new OneSwitch('n0', judged([], { guests }));
  late.pass(1_000 * CARRIED_SEC);
  assert.equal(late.goesOn(pushed), [], 'nothing was heard of it for long');
});

test('what a rule allows is no answer, also where the rule names a group', () => {
  const connection = {
    protocol: 'tcp' as const,
    from: { address: WEB.ip, port: SOURCE },
    to: { address: ASKER.ip, port: HTTP },
  };
  const { guests } = viewOf([ASKER, WEB, OTHER], [], [], new Map([['g1', [connection]]]));
  const all = { name: 'all', rules: [OUT], members: ['g0'] };
  for (const remote of [{}, { remoteGroup: 'all' }]) {
    const rule: SecurityRule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', ...remote };
    const groups = [{ name: 'web', rules: [rule], members: ['g1'] }, all];
    const one = new OneSwitch('n0', judged([], { guests, groups }));
    assert.is(one.goesOn(frame(ASKER, HTTP, WEB, SOURCE)).length, 1);
    assert.is(one.goesOn(frame(WEB, SOURCE, ASKER, HTTP)).length, 1, 'to what was let in it answers without a rule');
  }
});

test("a group as the other end is its members in the guest's own network", () => {
  const namesake = { ...bindingOf('g3', 'n0'), ip: ASKER.ip, tenant: 2 };
  const farWeb = { ...bindingOf('g4', 'n0'), tenant: 2 };
  const { bindings, guests } = viewOf([ASKER, WEB, namesake, farWeb]);
  const fromDb: SecurityRule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'any', remoteGroup: 'db' };
  const comes = (member: string): number => {
    const groups = [
      { name: 'web', rules: [fromDb], members: ['g1', 'g4'] },
      { name: 'db', rules: [OUT], members: [member] },
    ];
    return new OneSwitch('n0', judged([], { bindings, guests, groups })).opens(ASKED).length;
  };
  assert.equal([comes('g0'), comes('g3')], [1, 0]);
});

test.run();
