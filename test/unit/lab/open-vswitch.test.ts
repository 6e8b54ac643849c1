// The transaction that sets up a switch, and that no odd name reaches a shell or `ip -batch`.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { insideNamespace, namespaceName } from '../../../lab/namespace.ts';
import { initialTransaction } from '../../../lab/open-vswitch.ts';

const OPTIONS = { runDirectory: '/run/x', underlayAddress: '10.77.0.1/24', uplink: 'uplink' };

test('the integration bridge drops all until told otherwise, and the tunnel takes its remote end from the flow', () => {
  const words = initialTransaction(OPTIONS).join(' ');
  assert.match(words, 'set bridge br-int datapath_type=netdev fail-mode=secure protocols=OpenFlow13');
  assert.match(words, 'options:remote_ip=flow options:key=flow options:dst_port=4789 options:df_default=false');
  assert.match(words, 'add-port br-phy uplink');
  assert.not.match(words, 'set-controller');
});

test('a controller comes with the files that TLS needs', () => {
  const tls = { privateKey: '/k', certificate: '/c', authority: '/a' };
  const words = initialTransaction({ ...OPTIONS, controller: { target: 'ssl:10.77.0.1:6653', tls } }).join(' ');
  assert.match(words, '-- set-ssl /k /c /a -- set-controller br-int ssl:10.77.0.1:6653 -- set controller br-int');
});

test('a namespace is named after its run and role, in letters that need no quoting', () => {
  assert.is(namespaceName('k3f9a', 'alpha'), 'sc-k3f9a-alpha');
  assert.throws(() => namespaceName('x;reboot', 'alpha'), RangeError);
  assert.throws(() => insideNamespace('../../proc/1/ns/net'), RangeError);
});

test.run();
