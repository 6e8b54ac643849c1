// What Open vSwitch makes of our bytes: messages that the codec wrote, as `ovs-ofctl ofp-parse` prints them. Needs Debian's
// openvswitch-common.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encode, type Message } from '@openflow/ofp';
import * as assert from 'uvu/assert';

const OFCTL_TIMEOUT_MS = 60_000;

/** Where the print of the next message begins. */
const NEXT_MESSAGE = /^(?=(?:OFP|NX|ONF)[A-Z]+_[A-Z0-9_]+ (?:request |reply )?\()/m;

/** A print's parts, one for each message: that of a message within another's has the other's transaction id. */
function parts(text: string): string[] {
  const all: string[] = [];
  let last: string | undefined;
  for (const part of text.split(NEXT_MESSAGE)) {
    const xid = /\(xid=(0x[0-9a-f]+)\)/.exec(part)?.[1];
    if (xid !== undefined && xid === last) all.push(`${all.pop()}${part}`);
    else all.push(part);
    last = xid;
  }
  return all.map((part) => part.trim());
}

/** What Open vSwitch prints of each message, in order. The transaction ids are the places in the list. */
export function ovsPrint(messages: readonly Message[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'ofctl-'));
  try {
    const file = join(folder, 'stream');
    writeFileSync(file, Buffer.concat(messages.map((message, xid) => encode(message, xid))));
    const args = ['--no-names', 'ofp-parse', file];
    const text = execFileSync('ovs-ofctl', args, { encoding: 'utf8', timeout: OFCTL_TIMEOUT_MS });
    const printed = parts(text);
    assert.is(printed.length, messages.length, text);
    return printed;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
