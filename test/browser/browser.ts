// Debian's Chromium without a window, and a witness of all that a page does: what it asked for, what failed, what its
// console said. The browser resolves no name, so that nothing of it leaves this machine.
import { fileURLToPath } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

const PROGRAM = '/usr/bin/chromium-headless-shell';
const EYES = fileURLToPath(new URL('eyes.js', import.meta.url));
/** A name that is made to lead to this machine, as a hostile name server would. */
export const REBOUND_NAME = 'rebound.example';
const RESOLVE = `MAP ${REBOUND_NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1`;
/** Where a wait for the page is called a hang. */
const WAIT_MS = 60_000;

/** What the page showed at one moment of a migration under way. */
export interface Look {
  readonly step: string;
  readonly figures: Readonly<Record<string, string>>;
  /** The cloud where a VM is expected. */
  readonly expected: string;
  readonly news: string;
}

/** Root may not use Chromium's sandbox. */
export function launchBrowser(): Promise<Browser> {
  const args = [`--host-resolver-rules=${RESOLVE}`];
  return chromium.launch({ executablePath: PROGRAM, chromiumSandbox: false, args });
}

/** A page with eyes, and what went wrong on it. */
export class WatchedPage {
  readonly page: Page;
  readonly #origin: string;
  #troubles: string[] = [];
  /** Everything it asked for. */
  readonly requests: string[] = [];
  loads = 0;

  private constructor(page: Page, url: string) {
    this.page = page;
    this.#origin = new URL(url).origin;
    page.setDefaultTimeout(WAIT_MS);
    page.on('framenavigated', () => {
      this.loads += 1;
    });
    page.on('request', (request) => this.#asked(request.url()));
    page.on('websocket', (socket) => this.#asked(socket.url().replace(/^ws:/, 'http:')));
    page.on('requestfailed', (request) => this.#trouble(`${request.url()}: ${request.failure()?.errorText}`));
    page.on('response', (response) => {
      if (!response.ok()) this.#trouble(`${response.url()}: ${response.status()}`);
    });
    page.on('pageerror', (error) => this.#trouble(String(error)));
    page.on('console', (message) => this.#trouble(`console: ${message.text()}`));
  }

  /** Opens a page and waits until it shows a status. */
  static async open(browser: Browser, url: string): Promise<WatchedPage> {
    const page = await browser.newPage();
    await page.addInitScript({ path: EYES });
    const watched = new WatchedPage(page, url);
    await page.goto(url);
    await watched.says('live');
    return watched;
  }

  #asked(url: string): void {
    this.requests.push(url);
    if (new URL(url).origin !== this.#origin) this.#trouble(`asked elsewhere: ${url}`);
  }

  #trouble(words: string): void {
    this.#troubles.push(words);
  }

  /** What went wrong since the last time this was asked. */
  takeTroubles(): string[] {
    const taken = this.#troubles;
    this.#troubles = [];
    return taken;
  }

  /** Waits until the line on the connection says so. */
  async says(words: string | RegExp): Promise<void> {
    await this.page.getByRole('status').filter({ hasText: words }).first().waitFor();
  }

  /** Waits for a text inside the card of a cloud. */
  async cloudShows(cloud: string, words: string | RegExp): Promise<void> {
    await this.page.getByRole('article', { name: cloud, exact: true }).getByText(words).first().waitFor();
  }

  looks(): Promise<Look[]> {
    return this.page.evaluate<Look[]>('seen');
  }

  /** The texts of an element's parts, as of a row's cells. */
  textsOf(selector: string): Promise<string[]> {
    return this.page.evaluate<string[]>(`textsOf(${JSON.stringify(selector)})`);
  }

  hardToRead(): Promise<string[]> {
    return this.page.evaluate<string[]>('hardToRead()');
  }

  lightness(): Promise<number> {
    return this.page.evaluate<number>('lightness()');
  }

  /** By how much the page is wider than its window. */
  async tooWidePx(): Promise<number> {
    return this.page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
  }
}
