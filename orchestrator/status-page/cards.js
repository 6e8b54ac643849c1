// The clouds, each with its node and the VMs that are there or on their way there.
import { element, withAttributes } from './element.js';
import { counted, megabytes } from './units.js';

const FAMILIES = {
  tcg: (version) => `QEMU ${version}, emulated`,
  kvm: (version) => `QEMU ${version} with KVM`,
  xen: (version) => `Xen ${version}`,
};
/** What a state means, where its name does not say it. */
const MEANINGS = {
  stopped: 'its machine has ended: the guest shut down or crashed',
  unknown: 'its node gives no sign of life',
  undecided: 'its migration waits for the record of its destination',
};

function vmCard(vm) {
  const { migration, spec, state } = vm;
  const where = state === 'migrating' && migration !== null ? ` to ${migration.to}` : '';
  const title = element('h4', '', element('span', '', vm.vm), element('span', 'badge', `${state}${where}`));
  const size = `${counted(spec.cpus, 'vCPU')}, ${megabytes(spec.memoryMB)}, epoch\u00a0${vm.epoch}`;
  const meaning = MEANINGS[state] === undefined ? [] : [element('p', '', MEANINGS[state])];
  return element('li', `vm ${state}`, title, element('p', '', `${spec.ip}, ${size}`), ...meaning);
}

/** Where a VM is expected: its migration is under way, and it is not decided that it comes. */
function arrivalCard({ vm, migration }) {
  const badge = element('span', 'badge', `expected from ${migration.from}`);
  const step = migration.step === 'undecided' ? 'undecided' : `step ${migration.step}`;
  return element('li', 'vm arrival', element('h4', '', element('span', '', vm), badge), element('p', '', step));
}

function machine({ capabilities }) {
  if (capabilities === null) return 'its machine is not known yet';
  const { family, version, cpus, memoryMB } = capabilities;
  const name = FAMILIES[family]?.(version) ?? `${family} ${version}`;
  return `${name}; ${counted(cpus, 'CPU')}, ${megabytes(memoryMB)}`;
}

/** One cloud. */
export function cloudCard(node, vms) {
  const { cloud, address, role, up, reason } = node;
  const badge = element('span', `badge ${up ? 'good' : 'bad'}`, up ? 'up' : 'down');
  const names = [...(node.node === cloud ? [] : [`node ${node.node}`]), address];
  if (role === 'controller') names.push('controller');
  const facts = [element('p', '', names.join(', ')), element('p', up ? '' : 'bad', up ? machine(node) : reason)];
  const here = vms.filter((vm) => vm.node === node.node).map(vmCard);
  const isExpected = ({ state, migration }) =>
    (state === 'migrating' || state === 'undecided') && migration?.to === node.node;
  const guests = [...here, ...vms.filter(isExpected).map(arrivalCard)];
  const list = guests.length === 0 ? element('p', 'empty', 'no VM') : element('ul', 'vms', ...guests);
  const title = element('h3', '', element('span', '', cloud), badge);
  const card = element('article', up ? 'cloud' : 'cloud down', title, ...facts, list);
  return withAttributes(card, { 'aria-label': cloud });
}
