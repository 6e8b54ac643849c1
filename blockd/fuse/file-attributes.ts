// What stat(2) tells of the mount's directory and its files: whose they are, how large, and who may do what.
import type { Attributes } from './fuse-answer.ts';
import { FILE_TYPE, ROOT_NODE } from './fuse-protocol.ts';
import type { ImageFile } from './image-directory.ts';

const DIRECTORY_MODE = FILE_TYPE.DIRECTORY | 0o500;
const FILE_MODE = FILE_TYPE.REGULAR | 0o600;
const READ_ONLY_MODE = FILE_TYPE.REGULAR | 0o400;

/** Whose the files are. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** `usedBytes`: what of it is no hole. */
export function fileAttributes({ node, link, changedSeconds }: ImageFile, owner: Owner, usedBytes: number): Attributes {
  const mode = link.isReadOnly ? READ_ONLY_MODE : FILE_MODE;
  return { node, bytes: link.facts?.bytes ?? 0, usedBytes, mode, links: 1, changedSeconds, ...owner };
}

export function rootAttributes(startedSeconds: number, owner: Owner): Attributes {
  return {
    node: ROOT_NODE,
    bytes: 0,
    usedBytes: 0,
    mode: DIRECTORY_MODE,
    links: 2,
    changedSeconds: startedSeconds,
    ...owner,
  };
}
