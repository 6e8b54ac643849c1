// What the path of requests tells of each of them. Called for every request, so it takes numbers and answers nothing.

/** Whoever wants to hear of an image's requests. Blocks of 4 KiB: the first one and how many side by side. */
export interface AccessNotes {
  /** The guest has read these blocks, in part or whole; fetched ones count when they are read, not when they come. */
  noteRead(first: number, count: number): void;
  /** These blocks have a new version with data. */
  noteWrite(first: number, count: number): void;
  /** These blocks have a new version without data. */
  noteZero(first: number, count: number): void;
}
