// Which package may import which, and what the sans-IO rooms must never reach. `./supercloud check` runs it.
const daemons = ['blockd', 'sdnd', 'frontendd', 'hypervisor', 'orchestrator', 'cli', 'lab'];

/** Rooms that hold codecs and state machines: no socket, no file, no process, no clock of their own. */
const sansIo = [
  '^wire/',
  '^sdnd/openflow/',
  '^sdnd/ovsdb/(?!ovsdb-client)',
  '^sdnd/switch-config/(?!config-keeper)',
  '^sdnd/alone/(?!lone-(connection|server|socket)|topology-socket)',
  '^sdnd/agent/node-switch[.]ts$',
  '^sdnd/(packets|guest-services)/',
  '-session[.]ts$',
  '-protocol[.]ts$',
  '^blockd/catalogue/(catalogue(-records|-table)?|etcd-(messages|mirror))[.]ts$',
  '^blockd/(copies|propagation|table)/',
  '^blockd/(nbd-client/|fuse/(file-attributes|fuse-answer|image-directory|image-requests|image-seeks|message-pool)[.]ts$)',
  '^sdnd/(pipeline|forwarding|flow-diff)[.]ts$',
  '^hypervisor/migration/hold-(source|destination)[.]ts$',
  '^lab/wan/link[.]ts$',
  '^common/membership/token-book[.]ts$',
];

module.exports = {
  forbidden: [
    {
      name: 'wire-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^wire/' },
      to: { pathNot: '^wire/|^node_modules/typebox|^typebox' },
    },
    {
      name: 'common-imports-only-wire',
      severity: 'error',
      from: { path: '^common/' },
      to: { path: `^(${daemons.join('|')}|test)/` },
    },
    ...daemons.map((name) => ({
      name: `${name}-meets-others-as-processes`,
      severity: 'error',
      from: { path: `^${name}/` },
      to: { path: `^(${[...daemons, 'test'].filter((other) => other !== name).join('|')})/` },
    })),
    {
      name: 'openflow-codec-stands-alone',
      severity: 'error',
      from: { path: '^sdnd/openflow/' },
      to: { pathNot: '^sdnd/openflow/' },
    },
    {
      name: 'sans-io-rooms-touch-no-world',
      severity: 'error',
      from: { path: sansIo },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-circles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^[.]cache' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] },
  },
};
