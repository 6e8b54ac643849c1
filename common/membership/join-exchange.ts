// What a joining node and the controller say to each other: one POST of JSON, one answer. Shapes and limits only.
import { type Static, Type } from '#typebox';
import { Name } from '../../wire/names.ts';
import { SchemaCheck } from '../schema-check.ts';

export const JOIN_PATH = '/join';
/** A request for a P-256 certificate is 500 bytes long; nobody who has not shown a token makes us keep more. */
export const JOIN_BODY_BYTES_MAX = 8 * 1024;
/** Round trips on the slowest supported link, and a signature. */
export const JOIN_TIMEOUT_MS = 30_000;

const JoinRequest = Type.Object({
  id: Type.String({ maxLength: 64 }),
  secret: Type.String({ maxLength: 128 }),
  /** PKCS #10, PEM. */
  csr: Type.String({ maxLength: 4096 }),
  node: Name,
});
export type JoinRequest = Static<typeof JoinRequest>;

const JoinAnswer = Type.Union([
  Type.Object({
    /** PEM. */
    certificate: Type.String(),
    authority: Type.String(),
    /** The controller's clock, ms since 1970: certificates are of no use to a machine whose clock is far off. */
    wallMs: Type.Number(),
  }),
  Type.Object({ code: Type.String(), message: Type.String(), remedy: Type.String() }),
]);
export type JoinAnswer = Static<typeof JoinAnswer>;

export const joinRequestCheck = new SchemaCheck(JoinRequest);
export const joinAnswerCheck = new SchemaCheck(JoinAnswer);
