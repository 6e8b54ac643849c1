// Rounds of flow-mods: where a rule of a group goes while its members come, or the other way round, no state that any order of
// a round's messages leads to lets through what both the old and the new groups refuse; all else is one round.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { gateFlows } from '../../../sdnd/agent/gate.ts';
import { flowRounds } from '../../../sdnd/controller/flow-rounds.ts';
import { type Flow, flowsByKey } from '../../../sdnd/flow.ts';
import { diffFlows, type FlowDiff, flowMods } from '../../../sdnd/flow-diff.ts';
import { Table } from '../../../sdnd/pipeline.ts';
import type { SecurityGroup, SecurityRule } from '../../../wire/contracts/security-groups.ts';
import { type Frame, SimSwitch } from '../../sim/net-switch.ts';
import { fromGuest } from './one-switch.ts';
import { bindingOf, portNoOf, tablesOf, viewOf } from './overlay-maker.ts';

const GUESTS = ['g0', 'g1', 'g2'].map((owner) => bindingOf(owner, 'n0'));
const [ONE, WEB, OTHER] = GUESTS;
const SYN = 2;

/** WEB is called at some ports by members of `db`; what the others send is judged by another group, whatever they are in. */
function groups(members: readonly string[], ...ports: readonly number[]): SecurityGroup[] {
  const rule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', remoteGroup: 'db' } as const;
  const rules = ports.map((port): SecurityRule => ({ ...rule, ports: { first: port, last: port } }));
  return [
    { name: 'all', rules: [{ direction: 'egress', ethertype: 'IPv4', protocol: 'any' }], members: ['g0', 'g2'] },
    { name: 'db', rules: [], members: [...members] },
    { name: 'web', rules, members: ['g1'] },
  ];
}

function tables(policy: readonly SecurityGroup[]): Map<string, Flow> {
  const gates = GUESTS.flatMap((guest) => gateFlows(portNoOf(guest)));
  return flowsByKey([...tablesOf({ ...viewOf(GUESTS), groups: policy }, 'n0').values(), ...gates]);
}

function rounds(before: readonly SecurityGroup[], now: readonly SecurityGroup[]): FlowDiff[] {
  const installed = tables(before);
  return flowRounds(diffFlows(tables(now), installed), installed);
}

/** Of its members and ports, who calls which. */
function comes(at: SimSwitch): string[] {
  let source = 40_000;
  return [ONE, OTHER].flatMap((from) =>
    [22, 80].flatMap((port) => {
      if (from === undefined || WEB === undefined) throw new Error('no guests');
      const frame: Frame = { ...fromGuest(from, ++source, WEB.mac, { ip: WEB.ip, port }), tcpFlags: SYN };
      return at.process(frame).length > 0 ? [`${from.owner}:${port}`] : [];
    }),
  );
}

test('whatever order the messages of a round arrive in, nobody calls whom neither the old nor the new groups let', () => {
  const [first, second] = [groups(['g0'], 80), groups(['g2'], 22)];
  for (const [before, now, was, is] of [
    [first, second, 'g0:80', 'g2:22'],
    [second, first, 'g2:22', 'g0:80'],
  ] as const) {
    const at = new SimSwitch('n0');
    for (const mod of flowMods({ puts: [...tables(before).values()], removals: [] })) at.apply(mod);
    assert.equal(comes(at), [was]);
    const inRounds = rounds(before, now);
    assert.is(inRounds.length, 3);
    for (const round of inRounds) {
      const mods = flowMods(round);
      assert.ok(mods.length <= 6, `${mods.length} messages`);
      const saved = at.save();
      for (let subset = 0; subset < 1 << mods.length; subset++) {
        mods.forEach((mod, index) => {
          if ((subset >> index) & 1) at.apply(mod);
        });
        for (const call of comes(at)) assert.ok(call === was || call === is, `${call} of ${was} and ${is}`);
        at.restore(saved);
      }
      for (const mod of mods) at.apply(mod);
    }
    assert.equal(comes(at), [is]);
  }
});

test('rules that go are sent first and those that come last, and only those of groups whose members change the other way', () => {
  const only = (before: readonly SecurityGroup[], now: readonly SecurityGroup[]): number => rounds(before, now).length;
  assert.is(only(groups(['g0'], 80), groups(['g0', 'g2'], 80)), 1);
  assert.is(only(groups(['g0'], 80), groups(['g0'], 22)), 1, 'its members are as before');
  assert.is(only(groups(['g0'], 80), groups(['g0', 'g2'], 80, 22)), 1, 'members and rules come');
  assert.is(only(groups(['g0', 'g2'], 80, 22), groups(['g0'], 80)), 1, 'members and rules go');
  const [early, rest] = rounds(groups(['g0'], 80, 22), groups(['g0', 'g2'], 80));
  assert.equal(early?.puts, []);
  assert.equal(
    early?.removals.map(({ tableId, match }) => [tableId, match.tcpDst ?? match.ipFrag]),
    [[Table.namedIn, 22]],
  );
  assert.ok(rest?.puts.some(({ tableId }) => tableId === Table.farIn));
  const late = rounds(groups(['g0', 'g2'], 80), groups(['g0'], 80, 22)).at(-1);
  assert.equal(
    late?.puts.map(({ tableId, match }) => [tableId, match.tcpDst]),
    [[Table.namedIn, 22]],
  );
  assert.equal(late?.removals, []);
});

test('an entry is sent after what a frame meets behind it: who is in a group after the rules that name it', () => {
  const [one] = rounds([], groups(['g0'], 80));
  const order = (one?.puts ?? []).map(({ tableId }) => tableId);
  const at = (tableId: number): number => order.indexOf(tableId);
  assert.ok(at(Table.judgeIn) < at(Table.groupsIn) && at(Table.groupsIn) < at(Table.namedIn));
  assert.ok(at(Table.namedIn) < at(Table.farIn) && at(Table.farIn) < order.lastIndexOf(Table.forward));
});

test.run();
