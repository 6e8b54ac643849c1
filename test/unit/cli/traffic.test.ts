// What `supercloud net traffic` prints, and the same for Prometheus.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { prometheusText } from '../../../cli/prometheus-text.ts';
import { describeTraffic } from '../../../cli/traffic-text.ts';
import type { NetworkFigures } from '../../../wire/contracts/traffic.ts';

const FIGURES: NetworkFigures = {
  switches: [
    { node: 'alpha', connected: true, flows: 40, flowMods: 52, packetIns: { services: 3, probes: 900 } },
    { node: 'beta', connected: false, flows: 0, flowMods: 0, packetIns: null },
  ],
  pairs: [
    { from: 'web', to: 'db', bytes: 3 << 20, frames: 4_000 },
    { from: 'web', to: null, bytes: 90, frames: 1 },
  ],
  unreachable: ['beta'],
};

test('a line for each pair, and who could not be asked', () => {
  const lines = describeTraffic(FIGURES).split('\n');
  assert.match(lines[0] ?? '', /^FROM +TO +BYTES +FRAMES$/);
  assert.match(lines[1] ?? '', /^web +db +3\.1 MB +4000$/);
  assert.match(lines[2] ?? '', /^web +\(no VM\) +90 B +1$/);
  assert.match(lines[3] ?? '', /not reached.*: beta$/);
  assert.is(describeTraffic({ switches: [], pairs: [], unreachable: [] }), 'no VM has sent anything yet');
});

test('counters of pairs and switches', async () => {
  const text = await prometheusText({ nodes: [], members: [], unreachable: [], network: FIGURES });
  for (const line of [
    'supercloud_vm_sent_bytes_total{from="web",to="db"} 3145728',
    'supercloud_vm_sent_frames_total{from="web",to=""} 1',
    'supercloud_switch_flows{node="alpha"} 40',
    'supercloud_switch_connected{node="beta"} 0',
    'supercloud_switch_flow_mods_total{node="alpha"} 52',
    'supercloud_switch_packet_ins_total{node="alpha",for="probes"} 900',
  ])
    assert.ok(text.split('\n').includes(line), `${line} in\n${text}`);
  assert.not.match(text, /packet_ins_total\{node="beta"/);
});

test.run();
