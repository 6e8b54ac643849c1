// Draws the status that arrives on the one WebSocket. Text goes in as text only: names come from other people.
const place = (id) => document.getElementById(id);

/** Makes an element; children are elements or text. */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const seconds = (ms) => (ms > 0 ? `${(ms / 1000).toFixed(2)} s` : '');
const milliseconds = (ms) => (ms > 0 ? `${Math.round(ms)} ms` : '');

function progressOf({ migration }) {
  const bar = element('progress', '');
  const all = migration.memoryBytes + migration.remainingBytes;
  if (all > 0) {
    bar.max = all;
    bar.value = migration.memoryBytes;
  }
  const words = `${migration.step}: ${megabytes(migration.memoryBytes)} sent, ${megabytes(migration.remainingBytes)} left`;
  return [bar, element('p', '', `to ${migration.to}, ${words}, ${megabytes(migration.rateBytesPerSecond)}/s`)];
}

function vmCard(vm) {
  const title = element('div', '', element('strong', '', vm.vm), ` ${vm.state}`);
  const facts = element('p', '', `${vm.spec.ip}, ${vm.spec.memoryMB} MB, epoch ${vm.epoch}`);
  return element('div', `vm ${vm.state}`, title, facts, ...(vm.state === 'migrating' ? progressOf(vm) : []));
}

function cloudCard(node, vms) {
  const { capabilities, up, reason } = node;
  const family = capabilities === null ? 'not heard of yet' : `${capabilities.family}, ${capabilities.version}`;
  const here = vms.filter((vm) => vm.node === node.node).map(vmCard);
  const facts = element('p', '', `${node.node} ${node.address}, ${node.role}, ${up ? family : reason}`);
  return element('div', up ? 'cloud' : 'cloud down', element('h3', '', node.cloud), facts, ...here);
}

function row(cells) {
  return element('tr', '', ...cells.map(([text, className = '']) => element('td', className, text)));
}

function migrationRow(m) {
  const phase = m.reason === '' ? m.step : `${m.step}: ${m.reason}`;
  const still = `${m.dependsOnSourceBlocks} blocks`;
  const depends = m.independentMs === null ? still : `independent after ${seconds(m.independentMs)}`;
  const figures = [
    seconds(m.totalMs),
    milliseconds(m.holdMs),
    megabytes(m.memoryBytes),
    megabytes(m.blockBytes),
    megabytes(m.entryBytes),
    `${m.fetchedOnDemandBlocks} blocks`,
    m.step === 'moved' ? depends : '',
  ];
  return row([[m.vm], [m.from], [m.to], [phase], ...figures.map((figure) => [figure, 'figure'])]);
}

function imageRow(head) {
  return row([[head.image], [megabytes(head.bytes), 'figure'], [`${head.epoch}`, 'figure'], [head.writer ?? 'closed']]);
}

function draw(status) {
  place('clouds').replaceChildren(...status.nodes.map((node) => cloudCard(node, status.vms)));
  place('migrations').replaceChildren(...status.migrations.map(migrationRow));
  place('images').replaceChildren(...status.images.map(imageRow));
}

/** Connects, and again a second after every end. */
function connect() {
  const socket = new WebSocket(`ws://${location.host}/status`);
  socket.onopen = () => {
    place('connection').textContent = 'live';
  };
  socket.onmessage = (message) => draw(JSON.parse(message.data));
  socket.onclose = () => {
    place('connection').textContent = 'connection lost, trying again';
    setTimeout(connect, 1000);
  };
}

connect();
