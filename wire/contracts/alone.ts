// The calls that a block daemon without a cluster answers at its control socket: those of the orchestrator's that have a
// meaning for one node, with the same shapes, so that the same commands serve both.
import { contract } from '../contract.ts';
import { orchestratorContract } from './orchestrator.ts';

const { methods } = orchestratorContract;

/** Its name in the data directory: no image's socket has it, nor is it taken for one. */
export const CONTROL_SOCKET = 'control';
/** As its errors name it. */
export const ALONE_SERVICE = 'blockd-alone';
/** The only node there is. */
export const LONE_NODE = 'alone';

export const aloneContract = contract(ALONE_SERVICE, {
  'image.create': methods['image.create'],
  'image.list': methods['image.list'],
  'image.show': methods['image.show'],
  'image.clone': methods['image.clone'],
  'image.resize': methods['image.resize'],
  'image.delete': methods['image.delete'],
  'image.scrub': methods['image.scrub'],
  'layer.leaving': methods['layer.leaving'],
  'snapshot.create': methods['snapshot.create'],
  'snapshot.list': methods['snapshot.list'],
  'snapshot.export': methods['snapshot.export'],
  'snapshot.delete': methods['snapshot.delete'],
  'metrics.show': methods['metrics.show'],
});
