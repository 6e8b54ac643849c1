// wireguard-go's control socket of a device, as the kernel tells of it (/proc/PID/net/unix, proc(5)). It asks nobody.

/** wireguard-go's control sockets, one for each device of the machine, whatever its namespace; it says /var/run. */
export const CONTROL_SOCKETS = '/run/wireguard';
/** Flag of a socket that listens (Linux, __SO_ACCEPTCON). */
const LISTENS = ' 00010000 ';

/**
 * What `sockets`, the text of a /proc/PID/net/unix, has of a device: nothing (the kernel's own WireGuard, or a file that
 * somebody left), a socket that does not listen yet, or one that answers.
 */
export function controlSocket(device: string, sockets: string): 'none' | 'starting' | 'listening' {
  const found = sockets.split('\n').filter((line) => line.endsWith(`/wireguard/${device}.sock`));
  if (found.length === 0) return 'none';
  return found.some((line) => line.includes(LISTENS)) ? 'listening' : 'starting';
}
