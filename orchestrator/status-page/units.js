// Figures for people: decimal units, as links and disks are sold, as on the command line. A figure is never parted from
// its unit.

export function bytes(count) {
  if (count < 1e3) return `${count}\u00a0B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(1)}\u00a0kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(1)}\u00a0MB`;
  return `${(count / 1e9).toFixed(2)}\u00a0GB`;
}

export function duration(ms) {
  if (ms < 1e3) return `${Math.round(ms)}\u00a0ms`;
  if (ms < 120e3) return `${(ms / 1e3).toFixed(1)}\u00a0s`;
  return `${Math.floor(ms / 60e3)}\u00a0min ${Math.round((ms % 60e3) / 1e3)}\u00a0s`;
}

/** The time of day here, with the date when that is not today's. */
export function clock(ms) {
  const then = new Date(ms);
  const time = then.toLocaleTimeString([], { hour12: false });
  const isToday = then.toDateString() === new Date().toDateString();
  return isToday ? time : `${then.toLocaleDateString()} ${time}`;
}

export function counted(count, name) {
  return `${count}\u00a0${name}${count === 1 ? '' : 's'}`;
}

/** Memory as it is ordered. */
export const megabytes = (count) => `${count.toLocaleString('en')}\u00a0MB`;
