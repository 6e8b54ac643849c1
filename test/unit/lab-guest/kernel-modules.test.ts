// The order of kernel modules: a module before what it depends on cannot be inserted, and the guest then has no disk.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ModuleSource,
  moduleDependencies,
  moduleName,
  modulesInOrder,
} from '../../../lab/guest/kernel-modules.ts';

const DEPENDS: Record<string, string> = {
  failover: '',
  net_failover: 'failover',
  virtio_ring: '',
  virtio: 'virtio_ring',
  virtio_blk: 'virtio,virtio_ring',
  virtio_net: 'virtio-ring,virtio,net_failover',
};

function moduleFile(depends: string): Buffer {
  return Buffer.from(`\x7fELF...\0license=GPL\0depends=${depends}\0retpoline=Y\0more`, 'latin1');
}

function source(builtIn: string[] = []): ModuleSource {
  const load = async (name: string) => (name in DEPENDS ? moduleFile(DEPENDS[name] ?? '') : undefined);
  return { builtIn: new Set(builtIn), load };
}

async function order(wanted: string[], builtIn?: string[]): Promise<string[]> {
  return (await modulesInOrder(source(builtIn), wanted)).map((module) => module.name);
}

test('each module comes once, after all that it depends on', async () => {
  const names = await order(['virtio_blk', 'virtio_net']);
  assert.is(new Set(names).size, names.length);
  for (const [index, name] of names.entries()) {
    for (const needed of moduleDependencies(moduleFile(DEPENDS[name] ?? '')))
      assert.ok(names.indexOf(needed) < index, `${needed} before ${name}`);
  }
  assert.is(names.length, 6);
});

test('what is built into the kernel, or unknown to it, is left out', async () => {
  assert.equal(await order(['virtio_blk', 'unheard_of'], ['virtio_ring']), ['virtio', 'virtio_blk']);
});

test('names are the same whatever the file is called', () => {
  for (const name of ['virtio-rng', 'virtio_rng', 'kernel/drivers/char/virtio-rng.ko', '/x/virtio-rng.ko.xz']) {
    assert.is(moduleName(name), 'virtio_rng');
  }
});

test('a file without the entry depends on nothing', () => {
  assert.equal(moduleDependencies(Buffer.from('no module at all')), []);
});

test.run();
