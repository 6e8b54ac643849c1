// What /proc/net/unix tells of wireguard-go's control socket.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { controlSocket } from '../../../common/wireguard-socket.ts';

const HEAD = 'Num       RefCount Protocol Flags    Type St Inode Path\n';
const BOUND = '0000000000000000: 00000002 00000000 00000000 0001 01 7001 /run/wireguard/wg0.sock\n';
const LISTENING = '0000000000000000: 00000002 00000000 00010000 0001 01 7002 /var/run/wireguard/wg0.sock\n';
const CONNECTED = '0000000000000000: 00000003 00000000 00000000 0001 03 7003 /run/wireguard/wg0.sock\n';
const OTHERS = LISTENING.replace('wg0', 'xwg0') + LISTENING.replace('/var/run/wireguard/wg0.sock', '');

test('a device has no socket, one that is bound, or one that listens', () => {
  assert.is(controlSocket('wg0', ''), 'none');
  assert.is(controlSocket('wg0', HEAD + OTHERS), 'none');
  assert.is(controlSocket('wg0', HEAD + OTHERS + BOUND), 'starting');
  assert.is(controlSocket('wg0', HEAD + LISTENING), 'listening');
});

test('the connections that a listening socket took do not listen themselves', () => {
  assert.is(controlSocket('wg0', HEAD + CONNECTED + LISTENING), 'listening');
});

test.run();
