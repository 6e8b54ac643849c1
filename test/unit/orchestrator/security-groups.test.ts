// Security groups as the operator changes them: kept, told to the overlay's controller whole, and refused where they would
// leave a rule or a VM without its group.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OperationError } from '../../../common/errors.ts';
import { SecurityGroups } from '../../../orchestrator/network/security-groups.ts';
import {
  GROUP_MEMBERS_MAX,
  GROUP_MEMBERSHIPS_MAX,
  GROUP_RULES_MAX,
  type SecurityGroup,
  type SecurityRule,
} from '../../../wire/contracts/security-groups.ts';
import { refusal } from '../../refusal.ts';
import { ControlStand } from './control-stand.ts';

const HTTPS: SecurityRule = {
  direction: 'ingress',
  ethertype: 'IPv4',
  protocol: 'tcp',
  ports: { first: 443, last: 443 },
};
const test = suite<{ stand: ControlStand; groups: SecurityGroups; told: SecurityGroup[][] }>('security groups');

test.before.each(async (context) => {
  const stand = await ControlStand.open();
  const told: SecurityGroup[][] = [];
  stand.cluster.sdnd.answers['groups.set'] = ({ groups }) => {
    told.push(groups);
    return {};
  };
  const groups = new SecurityGroups({ state: stand.control.state, cluster: stand.cluster });
  Object.assign(context, { stand, groups, told });
});
test.after.each(({ stand }) => stand.close());

test('a new group lets everything out and nothing in; the default one lets its members in', async ({
  groups,
  told,
}) => {
  const { rules } = await groups.create('web');
  assert.equal(
    rules.map(({ direction, ethertype }) => `${direction} ${ethertype}`),
    ['egress IPv4', 'egress IPv6'],
  );
  assert.equal(
    told[0]?.map(({ name }) => name),
    ['default', 'web'],
  );
  const inside = told[0]?.[0]?.rules.filter(({ direction }) => direction === 'ingress');
  assert.equal(
    inside?.map(({ remoteGroup }) => remoteGroup),
    ['default', 'default'],
  );
  assert.is((await refusal(groups.create('web'))).code, 'GROUP_EXISTS');
  assert.is((await refusal(groups.create('default'))).code, 'GROUP_EXISTS');
});

test('rules and members are kept over a restart; the same again is nothing', async ({ stand, groups, told }) => {
  await groups.create('web');
  await groups.allow('web', HTTPS);
  await groups.allow('web', { ...HTTPS });
  await groups.assign('web', ['vm2', 'vm1', 'vm2']);
  await stand.stop();
  await stand.start();
  const again = new SecurityGroups({ state: stand.control.state, cluster: stand.cluster });
  await again.tell();
  const web = told.at(-1)?.find(({ name }) => name === 'web');
  assert.is(web?.rules.length, 3);
  assert.equal(web?.members, ['vm1', 'vm2']);
  await again.revoke('web', HTTPS);
  assert.is((await refusal(again.revoke('web', HTTPS))).code, 'RULE_UNKNOWN');
  assert.equal((await again.unassign('web', ['vm1'])).members, ['vm2']);
});

test('a prefix has one text, whichever of its addresses it is written by', async ({ groups }) => {
  await groups.create('web');
  const from = (remotePrefix: string, ethertype: SecurityRule['ethertype'] = 'IPv4'): SecurityRule => {
    return { direction: 'ingress', ethertype, protocol: 'any', remotePrefix };
  };
  for (const prefix of ['10.88.0.5/24', '10.88.0.0/24', '10.88.0.5']) await groups.allow('web', from(prefix));
  const { rules } = await groups.allow('web', from('FD00:0::5/64', 'IPv6'));
  assert.equal(
    rules.flatMap(({ remotePrefix }) => remotePrefix ?? []),
    ['10.88.0.0/24', '10.88.0.5/32', 'fd00::/64'],
  );
  await groups.revoke('web', from('10.88.0.9/24'));
  await groups.revoke('web', from('10.88.0.5'));
  assert.is((await refusal(groups.revoke('web', from('10.88.0.5')))).code, 'RULE_UNKNOWN');
});

test('a change is kept also while the controller of the overlay is away, and that is said', async ({
  stand,
  groups,
}) => {
  await groups.create('web');
  stand.cluster.sdnd.answers['groups.set'] = () => {
    throw new OperationError('NODE_DOWN', 'away');
  };
  const { code, message, remedy } = await refusal(groups.assign('web', ['vm1']));
  assert.is(code, 'OVERLAY_UNTOLD');
  assert.match(message, /^security group web is kept, but .* has not heard of it: away$/);
  assert.match(remedy, /told again/);
  assert.equal(groups.all().find(({ name }) => name === 'web')?.members, ['vm1']);
  await refusal(groups.unassign('web', ['vm1']));
  assert.is((await refusal(groups.delete('web'))).code, 'OVERLAY_UNTOLD');
  assert.is((await refusal(groups.delete('web'))).code, 'GROUP_UNKNOWN');
});

test('a group goes only when nobody is in it and no other names it, and the default one never', async ({ groups }) => {
  await groups.create('web');
  await groups.create('db');
  await groups.allow('db', { direction: 'ingress', ethertype: 'IPv4', protocol: 'any', remoteGroup: 'web' });
  await groups.assign('db', ['vm1']);
  for (const name of ['web', 'db', 'default']) {
    const { code, remedy } = await refusal(groups.delete(name));
    assert.is(code, 'GROUP_IN_USE', name);
    assert.match(remedy, /net group (revoke|unassign) /);
  }
  assert.is((await refusal(groups.delete('none'))).code, 'GROUP_UNKNOWN');
  await groups.unassign('db', ['vm1']);
  await groups.delete('db');
  await groups.delete('web');
  assert.equal(
    groups.all().map(({ name }) => name),
    ['default'],
  );
});

test('a group that names itself does not go while another one names it too, and goes after that', async ({
  groups,
  told,
}) => {
  await groups.create('app');
  await groups.create('db');
  const rule: SecurityRule = { direction: 'ingress', ethertype: 'IPv4', protocol: 'any', remoteGroup: 'app' };
  await groups.allow('app', rule);
  await groups.allow('db', rule);
  assert.is((await refusal(groups.delete('app'))).code, 'GROUP_IN_USE');
  await groups.revoke('db', rule);
  await groups.delete('app');
  assert.equal(
    told.at(-1)?.map(({ name }) => name),
    ['db', 'default'],
  );
});

test('what is no rule is refused, and nothing of it kept', async ({ groups }) => {
  await groups.create('web');
  const bad: Partial<SecurityRule>[] = [
    { protocol: 'any' },
    { ports: { first: 2, last: 1 } },
    ...['10.0.0.0/33', '10.0.0/8', 'fe80::/10', '10.0.0.0/8/8', '', '1.2.3.4/x'].map((remotePrefix) => ({
      remotePrefix,
    })),
    ...['fe80::%eth0', '::1.2.3.4/96', '::/129'].map((remotePrefix) => ({ ethertype: 'IPv6' as const, remotePrefix })),
    { remotePrefix: '10.0.0.0/8', remoteGroup: 'web' },
  ];
  for (const rule of bad)
    assert.is((await refusal(groups.allow('web', { ...HTTPS, ...rule }))).code, 'RULE_BAD', JSON.stringify(rule));
  assert.is((await refusal(groups.allow('web', { ...HTTPS, remoteGroup: 'none' }))).code, 'GROUP_UNKNOWN');
  assert.is(groups.all().find(({ name }) => name === 'web')?.rules.length, 2);
  for (let port = 1; port <= GROUP_RULES_MAX - 2; port++)
    await groups.allow('web', { ...HTTPS, ports: { first: port, last: port } });
  assert.is((await refusal(groups.allow('web', { ...HTTPS, ports: { first: 999, last: 999 } }))).code, 'GROUPS_FULL');
});

test('more members than can be told in one call are refused, and those there are stay', async ({ stand, groups }) => {
  const { state } = stand.control;
  const vms = Array.from({ length: GROUP_MEMBERS_MAX }, (_, number) => `vm${number}`);
  const full = Math.floor(GROUP_MEMBERSHIPS_MAX / GROUP_MEMBERS_MAX);
  for (let number = 0; number < full; number++)
    await state.put('groups', `g${number}`, { name: `g${number}`, rules: [], members: vms });
  await groups.create('web');
  const room = GROUP_MEMBERSHIPS_MAX - full * GROUP_MEMBERS_MAX;
  await groups.assign('web', vms.slice(0, room));
  const { code, message, remedy } = await refusal(groups.assign('web', ['more']));
  assert.equal(
    [code, message],
    ['GROUPS_FULL', `there cannot be more than ${GROUP_MEMBERSHIPS_MAX} members in all groups together`],
  );
  assert.match(remedy, /net group list/);
  assert.is((await groups.assign('web', vms.slice(0, 1))).members.length, room, 'the same again is nothing');
  await groups.unassign('g0', vms.slice(0, 1));
  assert.is((await groups.assign('web', ['more'])).members.length, room + 1);
});

test.run();
