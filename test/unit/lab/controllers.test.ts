// A lab with more than one controller of the overlay: which clouds have one, and what their daemons are told.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type DaemonSite, ORCHESTRATOR, SDND, SWITCH_AGENT } from '../../../lab/daemons.ts';
import { FIGURE5 } from '../../../lab/figure5.ts';
import { type LabTopology, THREE_CLOUDS, withControllers } from '../../../lab/topology.ts';

function siteOf(topology: LabTopology, cloud: string): DaemonSite {
  const plan = topology.clouds.find((one) => one.cloud === cloud);
  const [controller] = topology.clouds;
  if (plan === undefined || controller === undefined) throw new TypeError(`there is no cloud ${cloud}`);
  const standbys = topology.clouds.filter(({ standsBy }) => standsBy);
  return { plan, controller, standbys, run: '/run/lab', state: '/lab', identity: '/lab/identity', wireguard: 'wg0' };
}

test('with one there is none that stands by, and daemons are told what they always are', () => {
  assert.equal(withControllers(THREE_CLOUDS, 1), THREE_CLOUDS);
  const site = siteOf(THREE_CLOUDS, 'alpha');
  assert.not.ok('elected' in SDND.config(site));
  assert.not.ok('standbys' in SWITCH_AGENT.config(site));
  assert.not.ok('networkStandbys' in ORCHESTRATOR.config(site));
});

test('with two the second cloud has one too: all know it by the address that reaches it, and none is active by itself', () => {
  const standbys = [{ node: 'beta', address: '10.77.0.2' }];
  for (const map of [THREE_CLOUDS, FIGURE5]) {
    const topology = withControllers(map, 2);
    assert.equal(ORCHESTRATOR.config(siteOf(topology, 'alpha')).networkStandbys, standbys);
    for (const { cloud } of topology.clouds)
      assert.equal(SWITCH_AGENT.config(siteOf(topology, cloud)).standbys, standbys);
    for (const cloud of ['alpha', 'beta']) assert.is(SDND.config(siteOf(topology, cloud)).elected, true);
  }
  assert.is(SDND.config(siteOf(withControllers(FIGURE5, 2), 'beta')).address, '172.31.0.2');
});

test('more than there are clouds on the WAN, or none, is refused', () => {
  for (const count of [0, 4]) assert.throws(() => withControllers(FIGURE5, count), /no map has/);
  assert.equal(
    withControllers(FIGURE5, 3)
      .clouds.filter(({ standsBy }) => standsBy)
      .map(({ cloud }) => cloud),
    ['beta', 'gamma'],
  );
});

test.run();
