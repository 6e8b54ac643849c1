// The map that has what Figure 5 of TOCS 2017 has: `gamma` is a gateway into a private network with the node `delta`, `beta`
// stands behind a 1:1 NAT as on EC2, and a host of the Internet is there to be reached. Facts only.
//
//   alpha 10.77.0.1 ----+
//                      WAN ---- 10.77.0.3 gamma 10.78.0.1 ---- 10.78.0.2 delta
//   beta 172.31.0.2 -- NAT 10.77.0.2 --+---- 10.77.0.254 Internet 203.0.113.80 (RFC 5737)
import { ALL_ROUND_TRIPS_MS, CLOUDS, type CloudPlan, INTERNET_PLAN, type LabTopology, VISITOR } from './topology.ts';

const HOME = 'home';
const [ALPHA, BETA, GAMMA] = CLOUDS;
if (ALPHA === undefined || BETA === undefined || GAMMA === undefined) throw new TypeError('three clouds are built on');

const alpha: CloudPlan = {
  ...ALPHA,
  underlay: { feet: [{ underlay: 'alpha', inner: ALPHA.address, outer: ALPHA.address }] },
};

const betaFoot = { underlay: 'beta', inner: '172.31.0.2', outer: BETA.address };
const beta: CloudPlan = {
  ...BETA,
  address: '172.31.0.2',
  outer: BETA.address,
  router: '172.31.0.1',
  underlay: { feet: [betaFoot] },
};
/** The same, with a foot in the private network too. */
const betaInside: CloudPlan = {
  ...beta,
  inside: { address: '10.78.0.3', mac: '02:78:00:00:00:03' },
  underlay: { feet: [betaFoot, { underlay: HOME, inner: '10.78.0.3', port: 'vxlan1' }], isGateway: true },
};

const gamma: CloudPlan = {
  ...GAMMA,
  inside: { address: '10.78.0.1', mac: '02:78:00:00:00:01' },
  underlay: {
    feet: [
      { underlay: 'gamma', inner: GAMMA.address, outer: GAMMA.address },
      { underlay: HOME, inner: '10.78.0.1', port: 'vxlan1' },
    ],
    isGateway: true,
  },
};

const delta: CloudPlan = {
  ...{ cloud: 'delta', node: 'delta', role: 'node', behind: 'gamma' },
  ...{ address: '10.78.0.2', mac: '02:78:00:00:00:02', router: '10.78.0.1' },
  underlay: { feet: [{ underlay: HOME, inner: '10.78.0.2' }] },
};

/** The user sits in the private network; the guest comes by the NAT into it, and home again. */
export const FIGURE5: LabTopology = {
  clouds: [alpha, beta, gamma, delta],
  roundTripsMs: ALL_ROUND_TRIPS_MS,
  internet: INTERNET_PLAN,
  visitor: { ...VISITOR, cloud: 'delta' },
  round: ['beta', 'delta', 'alpha'],
};

/** The same with two gateways of the private network, each of which goes on when the other is lost: `beta` is one too. */
export const TWO_GATEWAYS: LabTopology = { ...FIGURE5, clouds: [alpha, betaInside, gamma, delta] };
