// Draws a whole status: clouds, migrations, images, and a word for those who hear the page or see only its title.
import { cloudCard } from './cards.js';
import { element, place, show } from './element.js';
import { eventItems } from './events.js';
import { imageRow } from './images.js';
import { endedRows, inWords, isEnded, underWayCard } from './migrations.js';
import { counted } from './units.js';

/** The step of each migration when it was last looked at; none before the first status. */
let stepsSeen;

function drawClouds(nodes, vms) {
  const up = nodes.filter((node) => node.up).length;
  place('summary').textContent = `${up} of ${counted(nodes.length, 'node')} up, ${counted(vms.length, 'VM')}`;
  // By name: a controller that was restarted lists them in another order.
  const sorted = nodes.toSorted((a, b) => a.cloud.localeCompare(b.cloud) || a.node.localeCompare(b.node));
  const none = element('p', 'note', 'No node has joined yet.');
  show(place('clouds'), nodes.length === 0 ? [none] : sorted.map((node) => cloudCard(node, vms)));
}

function drawMigrations(migrations) {
  const underWay = migrations.filter((one) => !isEnded(one));
  const ended = migrations.filter(isEnded);
  const none = migrations.length === 0 ? [element('p', 'note', 'None yet.')] : [];
  show(place('under-way'), [...underWay.map(underWayCard), ...none]);
  const table = place('ended');
  show(table, [table.tHead, ...ended.map(endedRows)]);
  place('ended-part').hidden = ended.length === 0;
  const [first] = underWay;
  document.title = first === undefined ? 'Supercloud status' : `${first.vm}: ${first.step} - Supercloud status`;
}

function drawImages(images) {
  show(place('images').tBodies[0], images.map(imageRow));
  place('images').hidden = images.length === 0;
  place('no-images').hidden = images.length > 0;
}

function drawEvents(events) {
  show(place('events'), eventItems(events));
  place('no-events').hidden = events.length > 0;
}

/** Tells of steps that began since the last look: the figures between would be too much to listen to. */
function tellNews(migrations) {
  const news = migrations.filter(({ migration, step }) => stepsSeen?.get(migration) !== step);
  if (stepsSeen !== undefined && news.length > 0) place('news').textContent = news.map(inWords).join('. ');
  stepsSeen = new Map(migrations.map(({ migration, step }) => [migration, step]));
}

export function drawStatus({ nodes, vms, images, migrations, events, network }) {
  drawClouds(nodes, vms);
  drawMigrations(migrations);
  drawImages(images);
  drawEvents([...events, ...network]);
  tellNews(migrations);
}
