// The transaction that sets up a switch, and that no odd name reaches a shell or `ip -batch`.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { insideNamespace, namespaceName } from '../../../lab/namespace.ts';
import { initialTransaction } from '../../../lab/open-vswitch.ts';

const OPTIONS = { runDirectory: '/run/x', underlayAddress: '10.77.0.1/24', uplink: 'uplink' };

test('the underlay bridge carries the uplink, and the integration bridge is left to the agent', () => {
  const words = initialTransaction(OPTIONS).join(' ');
  assert.match(words, 'add-port br-phy uplink');
  assert.match(words, 'set bridge br-phy datapath_type=netdev --');
  assert.not.match(words, 'br-int');
});

test('a gateway has a bridge for each of its networks, and nothing leads from one to the other', () => {
  const inside = {
    bridge: 'br-inside',
    underlayAddress: '10.78.0.1/24',
    uplink: 'vx3',
    underlayMac: '02:78:00:00:00:01',
  };
  const words = initialTransaction({ ...OPTIONS, inside }).join(' ');
  assert.match(words, 'add-port br-phy uplink');
  assert.match(words, 'add-port br-inside vx3');
  assert.match(words, 'set bridge br-inside datapath_type=netdev other_config:hwaddr="02:78:00:00:00:01"');
  assert.not.match(words, 'patch');
});

test('a namespace is named after its run and role, in letters that need no quoting', () => {
  assert.is(namespaceName('k3f9a', 'alpha'), 'sc-k3f9a-alpha');
  assert.throws(() => namespaceName('x;reboot', 'alpha'), RangeError);
  assert.throws(() => insideNamespace('../../proc/1/ns/net'), RangeError);
});

test.run();
