// Keeps the one WebSocket on which each status arrives, and says so when none arrives any more.
import { place } from './element.js';
import { drawStatus } from './status.js';
import { clock } from './units.js';

/** A status comes every second at the least; a connection that brings none that can be drawn for so long is made again. */
const SILENCE_MS = 5_000;
const RETRY_MS = 1_000;

/** Only what changed is said: the place is read out. */
function say(state, words) {
  if (document.body.className === state) return;
  document.body.className = state;
  place('connection').textContent = words;
}

function sayCutOff() {
  const since = clock(Date.now());
  say(
    'cut-off',
    `cut off from the controller since ${since}; what is shown is from before. Trying again every second.`,
  );
}

/** Connects, and again a second after every end or silence. */
function connect() {
  const socket = new WebSocket(`ws://${location.host}/status`);
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    clearTimeout(patience);
    socket.close();
    sayCutOff();
    setTimeout(connect, RETRY_MS);
  };
  let patience = setTimeout(end, SILENCE_MS);
  socket.onclose = end;
  socket.onmessage = ({ data }) => {
    if (ended) return;
    drawStatus(JSON.parse(data));
    say('live', 'live');
    clearTimeout(patience);
    patience = setTimeout(end, SILENCE_MS);
  };
}

connect();
