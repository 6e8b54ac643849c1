// Migrations that are over, so many of the latest: asking again is no error, and a preparation that was overtaken by its cancel
// comes to nothing. The oldest are forgotten. Pure.

const ENDED_MAX = 1024;

export class EndedMigrations {
  readonly #migrations = new Set<string>();

  has(migration: string): boolean {
    return this.#migrations.has(migration);
  }

  add(migration: string): void {
    this.#migrations.add(migration);
    for (const oldest of this.#migrations) {
      if (this.#migrations.size <= ENDED_MAX) break;
      this.#migrations.delete(oldest);
    }
  }

  /** In the order in which they ended. */
  get all(): readonly string[] {
    return [...this.#migrations];
  }
}
