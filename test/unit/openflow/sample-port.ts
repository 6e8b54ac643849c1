// A port's description with every field that is told of it, for tests of the codec and of its judges.
import { ethAddress } from '@openflow/ofp';

export const SAMPLE_PORT = {
  portNo: 2,
  hwAddress: ethAddress('02:11:22:33:44:55'),
  name: 'vx0',
  config: 1,
  state: 4,
  current: 0x2820,
  advertised: 0,
  supported: 0,
  peer: 0,
  currentKbps: 10_000_000,
  maxKbps: 0,
};
