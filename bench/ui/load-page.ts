/** Loads a page in a browser as a first visitor, and tells what crossed the network until its content was visible. */
import { strict as assert } from "node:assert";
import { setTimeout } from "node:timers/promises";
import type { Browser, BrowserContext, CDPSession, Page } from "playwright-core";

export interface Network {
  readonly name: string;
  /** Absent without a limit. */
  readonly limit?: {
    readonly roundTripMs: number;
    readonly downBitsPerSecond: number;
    readonly upBitsPerSecond: number;
  };
}

/** A page and what it shows when its content is there. */
export interface Target {
  readonly url: string;
  readonly text: string;
  /** What the browser keeps in the site's local storage before. */
  readonly remembered: Readonly<Record<string, string>>;
}

export interface PageLoad {
  /** From the navigation until the frame in which the content is visible, in milliseconds. */
  readonly visibleMs: number;
  /** Until it is visible and nothing is loaded any more. */
  readonly completeMs: number;
  /** Until the largest script has been loaded; absent without scripts. */
  readonly scriptMs: number | undefined;
  /** Until the page is complete. Event streams, which stay open, do not count. */
  readonly requests: number;
  /** Received bytes, with headers, as transferred. */
  readonly bytes: number;
}

/** After this time without a request, the page is complete. */
const idleMs = 500;
const pollMs = 50;
const waitMsMax = 180_000;

/** Loads the page twice: without anything in the cache, and then with it. */
export async function loadTwice(
  browser: Browser,
  target: Target,
  network: Network,
): Promise<{ readonly first: PageLoad; readonly again: PageLoad }> {
  const context = await browser.newContext();
  try {
    const first = await load(context, target, network);
    return { first, again: await load(context, target, network) };
  } finally {
    await context.close();
  }
}

async function load(
  context: BrowserContext,
  { url, text, remembered }: Target,
  { limit }: Network,
): Promise<PageLoad> {
  const page = await context.newPage();
  try {
    const session = await context.newCDPSession(page);
    await session.send("Network.enable");
    if (limit !== undefined) {
      await session.send("Network.emulateNetworkConditions", {
        offline: false,
        latency: limit.roundTripMs,
        downloadThroughput: limit.downBitsPerSecond / 8,
        uploadThroughput: limit.upBitsPerSecond / 8,
      });
    }
    const traffic = new Traffic(session);
    await page.addInitScript(`Object.assign(localStorage, ${JSON.stringify(remembered)})`);
    await page.addInitScript(noteWhenVisible(text));
    await page.goto(url, { timeout: waitMsMax });
    const visibleAt = await visibleTime(page);
    await traffic.idle();
    return traffic.summary(await page.evaluate<number>("performance.timeOrigin"), visibleAt);
  } finally {
    await page.close();
  }
}

/** Asks through the debugger, because a page's policy may forbid code made of text. */
async function visibleTime(page: Page): Promise<number> {
  const until = performance.now() + waitMsMax;
  while (performance.now() < until) {
    const time = await page.evaluate<number | undefined>("globalThis.contentVisibleAt");
    if (time !== undefined) return time;
    await setTimeout(pollMs);
  }
  throw new Error(`${page.url()} does not show its content`);
}

/** A script that notes the time of the first frame that shows the text. Frames come only once styles are loaded. */
function noteWhenVisible(text: string): string {
  return `(() => {
    const look = () => {
      const isWhole = document.querySelector("main[data-pending]") === null;
      if (isWhole && document.body?.innerText.includes(${JSON.stringify(text)}))
        globalThis.contentVisibleAt = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  })()`;
}

interface Transfer {
  readonly isScript: boolean;
  readonly isStream: boolean;
  readonly isDocument: boolean;
  bytes: number;
  /** In milliseconds since the epoch. */
  endedAt: number | undefined;
}

class Traffic {
  readonly #transfers = new Map<string, Transfer>();
  /** Wall clock minus the debugger's clock, in milliseconds. */
  #offsetMs = 0;
  #changedAt = performance.now();

  constructor(session: CDPSession) {
    session.on("Network.requestWillBeSent", ({ requestId, request, type, timestamp, wallTime }) => {
      if (!request.url.startsWith("http")) return;
      this.#offsetMs = (wallTime - timestamp) * 1000;
      this.#changedAt = performance.now();
      this.#transfers.set(requestId, {
        isScript: type === "Script",
        isStream: type === "EventSource",
        isDocument: type === "Document",
        bytes: 0,
        endedAt: undefined,
      });
    });
    const end = (requestId: string, timestamp: number, bytes: number) => {
      this.#changedAt = performance.now();
      const transfer = this.#transfers.get(requestId);
      if (transfer === undefined) return;
      transfer.endedAt = timestamp * 1000 + this.#offsetMs;
      transfer.bytes = bytes;
    };
    session.on("Network.loadingFinished", ({ requestId, timestamp, encodedDataLength }) =>
      end(requestId, timestamp, encodedDataLength),
    );
    session.on("Network.loadingFailed", ({ requestId, timestamp }) => end(requestId, timestamp, 0));
  }

  get #awaited(): Transfer[] {
    return [...this.#transfers.values()].filter(({ isStream }) => !isStream);
  }

  async idle(): Promise<void> {
    const until = performance.now() + waitMsMax;
    while (
      this.#awaited.some(({ endedAt }) => endedAt === undefined) ||
      performance.now() - this.#changedAt < idleMs
    ) {
      assert(performance.now() < until, "the page does not stop loading");
      await setTimeout(pollMs);
    }
  }

  summary(origin: number, visibleMs: number): PageLoad {
    const transfers = this.#awaited;
    assert.equal(transfers.filter(({ isDocument }) => isDocument).length, 1, "the page was loaded once");
    const ends = transfers.flatMap(({ endedAt }) => (endedAt === undefined ? [] : [endedAt - origin]));
    const [script] = transfers.filter(({ isScript }) => isScript).toSorted((a, b) => b.bytes - a.bytes);
    return {
      visibleMs,
      completeMs: Math.max(visibleMs, ...ends),
      scriptMs: script?.endedAt === undefined ? undefined : script.endedAt - origin,
      requests: transfers.length,
      bytes: transfers.reduce((total, { bytes }) => total + bytes, 0),
    };
  }
}
