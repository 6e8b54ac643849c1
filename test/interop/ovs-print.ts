// What Open vSwitch makes of our bytes: messages that the codec wrote, as `ovs-ofctl ofp-parse` prints them. Needs Debian's
// openvswitch-common.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode, type Message } from '@openflow/ofp';
import * as assert from 'uvu/assert';

const OFCTL_TIMEOUT_MS = 10_000;

/** What Open vSwitch prints of each message, in order. */
export function ovsPrint(messages: readonly Message[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'ofctl-'));
  try {
    const file = join(folder, 'stream');
    writeFileSync(file, Buffer.concat(messages.map((message, xid) => encode(message, xid))));
    const args = ['--no-names', 'ofp-parse', file];
    const text = execFileSync('ovs-ofctl', args, { encoding: 'utf8', timeout: OFCTL_TIMEOUT_MS });
    const printed = text.split(/^(?=OFP[A-Z]+_[A-Z_]+ (?:request |reply )?\()/m).map((part) => part.trim());
    assert.is(printed.length, messages.length, text);
    return printed;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
