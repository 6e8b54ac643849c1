// What an OpenFlow session tells the shell that holds its socket. Shapes only.
import type { FlowRemoved, FlowStats, PacketIn, Port } from '@openflow/ofp';

/** What the shell must do or tell. Operations are named by the number that starting them answered. */
export type SessionEvent =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  /** The switch has answered everything that is asked at first; operations may begin. */
  | { readonly kind: 'ready'; readonly datapathId: bigint; readonly ports: readonly Port[] }
  | { readonly kind: 'port'; readonly reason: 'add' | 'delete' | 'modify'; readonly port: Port }
  | { readonly kind: 'flows'; readonly operation: number; readonly flows: readonly FlowStats[] }
  | { readonly kind: 'counted'; readonly operation: number; readonly count: number }
  /** The bytes of its packet are a view of what was received. */
  | { readonly kind: 'packet'; readonly packet: PacketIn }
  | { readonly kind: 'removed'; readonly flow: FlowRemoved }
  /** The switch has carried out, or refused, all flow-mods of the operation. */
  | { readonly kind: 'applied'; readonly operation: number; readonly refusals: readonly string[] }
  | { readonly kind: 'failed'; readonly operation: number; readonly reason: string }
  /** It sent what is no message and answers nothing; told of once in ten seconds. */
  | { readonly kind: 'garbled'; readonly reason: string }
  /** What was slave is master from now on. */
  | { readonly kind: 'promoted' }
  /** The switch obeys a controller of a higher term; `close` follows. */
  | { readonly kind: 'outranked' }
  | { readonly kind: 'close'; readonly reason: string };

/** Which flow entries are read: those whose cookie has these bits. */
export interface CookieFilter {
  readonly cookie: bigint;
  readonly cookieMask: bigint;
}
/** What was asked of a switch that it has not answered yet. */
export type Operation =
  | { readonly kind: 'flows'; readonly startedAtMs: number; readonly flows: FlowStats[] }
  | { readonly kind: 'counted'; readonly startedAtMs: number }
  | { readonly kind: 'applied'; readonly startedAtMs: number; readonly firstXid: number; readonly refusals: string[] };
