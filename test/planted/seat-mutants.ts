// Bugs to plant in who of the overlay's controllers is active (SOUNDNESS C4), and in what waits for it. Not a test itself.
import type { Mutant } from './mutant-run.ts';

const SEAT = 'unit/sdnd/controller-seat';
const SESSION = 'unit/sdnd/openflow-session';
const WAIT = 'unit/orchestrator/successor-wait';
const SWITCHES = 'unit/orchestrator/switch-sessions';

export const SEAT_MUTANTS: readonly Mutant[] = [
  {
    name: 'who stands by asks a switch to be its master',
    room: 'sdnd/controller/controller-seat.ts',
    find: "return reign === undefined ? { role: 'slave' } :",
    replace: "return reign === undefined ? { role: 'master', generationId: BigInt(this.#term + 1) } :",
    by: SEAT,
  },
  {
    name: 'a term is taken that is not above those that were heard of',
    room: 'sdnd/controller/controller-seat.ts',
    find: 'if (term <= this.#term) throw stale(term, this.#term);',
    replace: 'if (term < 0) throw stale(term, this.#term);',
    by: SEAT,
  },
  {
    name: 'a term to which a controller has yielded is forgotten over a restart',
    room: 'sdnd/controller/controller-seat.ts',
    find: "await this.#parts.journal.append({ kind: 'term', term: Math.max(this.#term, 1) });",
    replace: '',
    by: SEAT,
  },
  {
    name: 'who yields lets the switches go before what was begun is done',
    room: 'sdnd/controller/controller-seat.ts',
    find: 'await reign?.settled();',
    replace: '',
    by: SEAT,
  },
  {
    name: 'the only controller stands by when switches say that they obey another',
    room: 'sdnd/controller/controller-seat.ts',
    find: 'if (!reign.loses(node, this.#attached.keys()) || this.#isAlone) return;',
    replace: 'if (!reign.loses(node, this.#attached.keys())) return;',
    by: SEAT,
  },
  {
    name: 'one switch that says so takes all others their controller',
    room: 'sdnd/controller/reign.ts',
    find: 'return 2 * this.#lost.size > new Set([...this.#ruled, ...attached]).size;',
    replace: 'return this.#lost.size > 0;',
    by: SEAT,
  },
  {
    name: 'the first to answer a reign that begins count for all',
    room: 'sdnd/controller/reign.ts',
    find: 'new Set([...this.#ruled, ...attached]).size',
    replace: 'this.#ruled.size',
    by: SEAT,
  },
  {
    name: 'a command is answered as done though its reign is over',
    room: 'sdnd/controller/reign.ts',
    find: 'if (this.isOver) throw notActive();',
    replace: '',
    by: SEAT,
  },
  {
    name: 'what an active one was told of an earlier reign counts as its own past',
    room: 'sdnd/controller/controller-seat.ts',
    find: 'const reign = this.#begin(overlay, true);',
    replace: 'const reign = this.#begin(overlay, false);',
    by: SEAT,
  },
  {
    name: 'a slave asks under a term that outranks the master',
    room: 'sdnd/session/session-role.ts',
    find: 'generationId === NO_GENERATION ? 0n : generationId)',
    replace: 'generationId === NO_GENERATION ? 0n : generationId + 1n)',
    by: SESSION,
  },
  {
    name: 'a master never asks whether it still is one',
    room: 'sdnd/session/session-role.ts',
    find: 'if (!this.isMaster || nowMs - this.#askedAtMs < ASK_EVERY_MS) return undefined;',
    replace: 'if (nowMs >= this.#askedAtMs) return undefined;',
    by: SESSION,
  },
  {
    name: 'a session that asks to be master takes itself for it',
    room: 'sdnd/session/session-role.ts',
    find: "return this.#isGranted && this.#wish?.role === 'master';",
    replace: "return this.#wish?.role === 'master';",
    by: SESSION,
  },
  {
    name: 'a call that has waited for a successor says what was so when it was begun',
    room: 'orchestrator/network/newest-wholes.ts',
    find: 'return () => this.#last[name] ?? params;',
    replace: 'return () => params;',
    by: WAIT,
  },
  {
    name: 'what a successor is told of the whole is unknown to the calls that wait for it',
    room: 'orchestrator/network/network-controllers.ts',
    find: 'this.#options.tell(this.#wholes.saidAt(this.#client(node)))',
    replace: 'this.#options.tell(this.#client(node))',
    by: WAIT,
  },
  {
    name: 'a place that is told again waits for a successor, and is told late',
    room: 'orchestrator/network/network-controllers.ts',
    find: 'call: (name, params, options) => this.#try(name, this.#wholes.said(name, params), options),',
    replace: 'call: (name, params, options) => this.call(name, params, options),',
    by: WAIT,
  },
  {
    name: 'a migration begins whose source has a dead switch',
    room: 'orchestrator/migration/switch-sessions.ts',
    find: 'const away = [record.from, record.to].find(',
    replace: 'const away = [record.to].find(',
    by: SWITCHES,
  },
  {
    name: 'a restart of the controller refuses a migration',
    room: 'orchestrator/migration/switch-sessions.ts',
    find: 'untilMs ??= clock.nowMs() + SWITCH_MS;',
    replace: 'untilMs ??= clock.nowMs();',
    by: SWITCHES,
  },
  {
    name: 'a dead destination keeps a standing migration from being told',
    room: 'sdnd/controller/controller.ts',
    find: 'if (this.#waits || isStanding) return',
    replace: 'if (this.#waits) return',
    by: 'unit/sdnd/controller',
  },
  {
    name: 'a migration counts as standing before its destination has taken it',
    room: 'orchestrator/network/network.ts',
    find: '...(isBeforeMemory(record) ? {} : { isStanding: true })',
    replace: 'isStanding: true',
    by: 'unit/orchestrator/network',
  },
];
