// What a lone controller tells its user, and the sentences for it.

/** What happened; switches by their datapath ids as text, ports as `switch/port`. */
export type LoneEvent =
  | { readonly kind: 'joined'; readonly at: string; readonly ports: number; readonly changed: number }
  | { readonly kind: 'twice' | 'left' | 'dismissed'; readonly at: string; readonly reason: string }
  | { readonly kind: 'found' | 'gone'; readonly a: string; readonly b: string; readonly latencyMs: number }
  | { readonly kind: 'paused'; readonly at: string; readonly perSecond: number }
  | { readonly kind: 'overfull'; readonly at: string; readonly ports: number }
  | { readonly kind: 'refused'; readonly at: string; readonly reason: string };

/** One line, and whether it needs somebody's attention. */
export function sentenceOf(event: LoneEvent): { readonly text: string; readonly isWarning: boolean } {
  switch (event.kind) {
    case 'joined':
      return said(`switch ${event.at} is here with ${event.ports} ports, ${event.changed} flows changed`);
    case 'twice':
      return warned(`a second switch says that it is ${event.at}: ${event.reason}`);
    case 'left':
      return warned(`switch ${event.at} is lost: ${event.reason}`);
    case 'dismissed':
      return warned(`switch ${event.at} does not come back: ${event.reason}`);
    case 'found':
      return said(`link ${event.a} - ${event.b}, ${event.latencyMs.toFixed(1)} ms`);
    case 'gone':
      return warned(`link ${event.a} - ${event.b} is gone`);
    case 'paused':
      return warned(
        `port ${event.at} sends over ${event.perSecond} frames a second to the controller; it is cut off from it`,
      );
    case 'overfull':
      return warned(
        `switch ${event.at} has more ports than the ${event.ports} that are used; the rest carries nothing`,
      );
    case 'refused':
      return warned(`switch ${event.at} refuses a flow: ${event.reason}`);
  }
}

function said(text: string): { text: string; isWarning: boolean } {
  return { text, isWarning: false };
}

function warned(text: string): { text: string; isWarning: boolean } {
  return { text, isWarning: true };
}
