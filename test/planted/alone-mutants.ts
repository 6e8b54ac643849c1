// Bugs to plant in the lone controller. Not a test itself.
import type { Mutant } from './mutant-run.ts';

const MESH = 'unit/sdnd/alone/mesh';
const ONE = 'unit/sdnd/alone/lone-controller';
const CHANGED = 'unit/sdnd/alone/lone-fuzz';

export const ALONE_MUTANTS: readonly Mutant[] = [
  {
    name: "a path's first entry is there before the others",
    room: 'sdnd/alone/path-keeper.ts',
    find: 'path.awaited = later.length;',
    replace: 'path.awaited = later.length;\n    if (later.length > 0) this.#finish(path);',
    by: MESH,
  },
  {
    name: 'floods are opened before what is too much is closed',
    room: 'sdnd/alone/flood-keeper.ts',
    find: 'if (ready.some((one) => !isWithin(one.floodMay, this.#wantedOf(one)))) return;',
    replace: '',
    by: MESH,
  },
  {
    name: 'a link is in the tree though its ends are joined',
    room: 'sdnd/alone/spanning-tree.ts',
    find: 'if (topA === topB) return false;',
    replace: 'if (topA === topB) return true;',
    by: MESH,
  },
  {
    name: 'a port is an edge at once',
    room: 'sdnd/alone/link-finder.ts',
    find: 'nowMs - port.quietSinceMs >= QUIET_MS && port.probesOut >= PROBES_OUT_MIN',
    replace: 'nowMs >= port.quietSinceMs',
    by: ONE,
  },
  {
    name: "a lost switch's neighbours take their ports for edges",
    room: 'sdnd/alone/link-finder.ts',
    find: "if (port.beyond !== undefined) return 'beyond';",
    replace: '',
    by: ONE,
  },
  {
    name: 'a silent link stays for a minute',
    room: 'sdnd/alone/link-finder.ts',
    find: 'const SILENCE_MS = 2_500;',
    replace: 'const SILENCE_MS = 60_000;',
    by: ONE,
  },
  {
    name: 'paths across a lost link stay',
    room: 'sdnd/alone/lone-controller.ts',
    find: 'this.#removeAcross(a);\n      this.#removeAcross(b);',
    replace: '',
    by: ONE,
  },
  {
    name: 'a host that has moved keeps its old paths',
    room: 'sdnd/alone/miss-desk.ts',
    find: 'paths.remove([...known.pathsFrom.values(), ...known.pathsTo]);',
    replace: '',
    by: ONE,
  },
  {
    name: 'hosts are learnt at links',
    room: 'sdnd/alone/miss-desk.ts',
    find: "port.role === 'edge' ? this.#learn(",
    replace: 'port.isUp ? this.#learn(',
    and: [
      {
        room: 'sdnd/alone/lone-flows.ts',
        find: 'const copy = isEdge(inPort) ? [TO_CONTROLLER] : [];',
        replace: 'const copy = isEdge(inPort) || inPort > 0 ? [TO_CONTROLLER] : [];',
      },
    ],
    by: ONE,
  },
  {
    name: 'ways are counted in switches, not in time',
    room: 'sdnd/alone/shortest-ways.ts',
    find: 'costMs: latencyMs + SWITCH_MS',
    replace: 'costMs: 0 * latencyMs + SWITCH_MS',
    by: ONE,
  },
  {
    name: 'a switch that comes back is given everything anew',
    room: 'sdnd/alone/switch-arrival.ts',
    find: 'found !== undefined && flowEffect(wanted) === flowEffect(found)',
    replace: 'found !== undefined && wanted === found',
    by: ONE,
  },
  {
    name: 'a port may send what it likes to the controller',
    room: 'sdnd/alone/miss-limit.ts',
    find: 'if (port.allowance >= 0) return true;',
    replace: 'if (port.allowance >= 0 || cost > 0) return true;',
    by: ONE,
  },
  {
    name: 'a second switch of a datapath id takes the place of the first',
    room: 'sdnd/alone/lone-controller.ts',
    find: 'if (known?.connection !== undefined) {',
    replace: 'if (known?.connection !== undefined && id === 0n) {',
    by: ONE,
  },
  {
    name: "a switch ends another one's path",
    room: 'sdnd/alone/lone-controller.ts',
    find: "if (path?.state === 'installed' && path.hops[0]?.at === one) this.paths.remove([path]);",
    replace: "if (path?.state === 'installed' && one.isReady) this.paths.remove([path]);",
    by: CHANGED,
  },
];
