// The images of one directory of sockets: which are there now, and the link and the node number of each. A number names
// one image for the life of the process. Knows no FUSE.
import type { NbdLink } from '../nbd-client/nbd-link.ts';
import { ROOT_NODE } from './fuse-protocol.ts';

/** An image as a file. */
export interface ImageFile {
  readonly name: string;
  readonly node: number;
  readonly link: NbdLink;
  /** Of the last write that was answered here; seconds since 1970. */
  changedSeconds: number;
  /** Losses of the link that somebody's fsync was told of. */
  toldLosses: number;
}

/** What the images come from; tests have another. */
export interface ImageSource {
  /** Names of the sockets that are there, sorted. */
  list(): readonly string[];
  has(name: string): boolean;
  link(name: string): NbdLink;
  /** A way of its own on which the server tells where there are holes. */
  statusLink(name: string): NbdLink;
}

export class ImageDirectory {
  readonly #source: ImageSource;
  readonly #startedSeconds: number;
  readonly #byName = new Map<string, ImageFile>();
  readonly #byNode = new Map<number, ImageFile>();
  readonly #statusLinks = new Map<number, NbdLink>();

  constructor(source: ImageSource, startedSeconds: number) {
    this.#source = source;
    this.#startedSeconds = startedSeconds;
  }

  get startedSeconds(): number {
    return this.#startedSeconds;
  }

  /** Those whose sockets are there. */
  list(): ImageFile[] {
    return this.#source.list().map((name) => this.#know(name));
  }

  /** Undefined when there is no socket of that name. */
  find(name: string): ImageFile | undefined {
    return this.#source.has(name) ? this.#know(name) : undefined;
  }

  /** One that was found before, also while its socket is away. */
  get(node: number): ImageFile | undefined {
    return this.#byNode.get(node);
  }

  /** Made when it is first asked for. */
  statusLinkOf({ name, node }: ImageFile): NbdLink {
    const known = this.#statusLinks.get(node) ?? this.#source.statusLink(name);
    this.#statusLinks.set(node, known);
    return known;
  }

  get known(): Iterable<ImageFile> {
    return this.#byNode.values();
  }

  /** The ways to an image that there are. */
  linksOf({ node, link }: ImageFile): NbdLink[] {
    const status = this.#statusLinks.get(node);
    return status === undefined ? [link] : [link, status];
  }

  #know(name: string): ImageFile {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const node = ROOT_NODE + 1 + this.#byName.size;
    const link = this.#source.link(name);
    const file = { name, node, link, changedSeconds: this.#startedSeconds, toldLosses: 0 };
    this.#byName.set(name, file);
    this.#byNode.set(node, file);
    return file;
  }
}
