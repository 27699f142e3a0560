/**
 * Tells browsers what has changed. A change costs its publisher one addition to a bounded list, or one comparison if no page is
 * open. The streams are served later, some in each turn of the event loop.
 */
import { setImmediate } from "node:timers/promises";
import type { Change, ChangesLost } from "../../cluster/cluster.js";
import { RegistryError, TooManyRequests } from "../../domain/errors.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { Places } from "../../lib/places.js";
import type { Exchange } from "../exchange.js";
import { ChangeLog } from "./change-log.js";
import { LiveStream, type Sight } from "./live-stream.js";
import { RecentChanges, shownOf } from "./recent-changes.js";

/** About 10 KiB each, most of it in the kernel. */
const streamsMax = 256;

/** A browser has one for each visible window. */
const streamsPerClientMax = 8;

const retrySeconds = 30;

/** The index of an image, its tags and its signature are pushed within this time. */
const gatherMilliseconds = 100;

/** The pause between two events of a stream. */
const pauseMilliseconds = 500;

/** Below the time after which proxies close a silent connection. */
const beatMilliseconds = 15_000;

/** A page is loaded, and its stream opened, within this time. */
const loadMilliseconds = 30_000;

/** Each takes 10 to 100 us. */
const streamsPerTurn = 16;

/** The streams of pages that show one repository, or all. */
interface Audience {
  readonly streams: Set<LiveStream>;
  readonly recent: RecentChanges;
}

export interface LiveTimes {
  readonly beatMilliseconds: number;
}

export class LiveUpdates {
  readonly #places = new Places(streamsMax, streamsPerClientMax);
  /** By repository; `undefined` for the pages that show all. */
  readonly #audiences = new Map<RepositoryName | undefined, Audience>();
  /** Audiences with recent changes. */
  readonly #due = new Set<Audience>();
  readonly #log = new ChangeLog();
  /** Whether a page is open, or being loaded. */
  #isFollowing = false;
  #followsSince = 0;
  #expectsUntil = 0;
  #delivery: NodeJS.Timeout | undefined;
  #deliveredAt = 0;
  #isClosed = false;
  readonly #beats: NodeJS.Timeout;

  constructor(times: LiveTimes = { beatMilliseconds }) {
    this.#beats = setInterval(() => void this.#beat(), times.beatMilliseconds).unref();
  }

  /** Number of open streams. */
  get size(): number {
    return this.#places.taken;
  }

  /** Call it before a page reads what it shows: from then on, no change is missed. */
  expectPage(): void {
    const now = Date.now();
    this.#expectsUntil = now + loadMilliseconds;
    this.#follow(now);
  }

  /** Returns the time of what a page shows, in milliseconds since the epoch. */
  timeOf({ startedAt }: Exchange): number {
    return Math.max(Math.floor(Date.now() - (performance.now() - startedAt)), this.#followsSince);
  }

  /** A listener of changes. */
  readonly onChange = (change: Change | ChangesLost): undefined => {
    if (!this.#isFollowing) return;
    if (change.kind === "lost") {
      // The next millisecond: a page of this one may have been rendered before.
      this.#log.begin(Date.now() + 1);
      for (const audience of this.#audiences.values()) this.#addUnknown(audience);
      return;
    }
    const shown = shownOf(change);
    if (shown === undefined) return;
    this.#log.add(shown, Date.now());
    for (const of of [undefined, shown.name]) {
      const audience = this.#audiences.get(of);
      if (audience === undefined) continue;
      audience.recent.add(shown);
      this.#plan(audience);
    }
  };

  /**
   * Streams the changes of one repository, or of all that the visitor may see, beginning with those since `time`. Resolves when
   * the client has disconnected or may no longer see the page. Rejects with `too-many-requests` or `shutting-down`.
   */
  async follow(
    exchange: Exchange,
    of: RepositoryName | undefined,
    time: number,
    sight: Sight,
  ): Promise<void> {
    const { client } = exchange;
    if (this.#isClosed) throw new RegistryError("shutting-down", "the server is stopping");
    if (!this.#places.enter(client))
      throw new TooManyRequests("streams", "too many pages with live updates are open", retrySeconds);
    const stream = new LiveStream(exchange, sight);
    const audience = this.#audiences.get(of) ?? { streams: new Set(), recent: new RecentChanges() };
    this.#audiences.set(of, audience);
    audience.streams.add(stream);
    this.#follow(Date.now());
    try {
      await stream.send(this.#log.since(time));
      await stream.ended;
    } finally {
      this.#places.leave(client);
      audience.streams.delete(stream);
      if (audience.streams.size === 0) this.#audiences.delete(of);
    }
  }

  /** Ends all streams and refuses further ones. */
  close(): void {
    this.#isClosed = true;
    this.#isFollowing = false;
    clearInterval(this.#beats);
    clearTimeout(this.#delivery);
    for (const { streams } of this.#audiences.values()) for (const stream of streams) stream.end();
  }

  #follow(now: number): void {
    if (this.#isFollowing || this.#isClosed) return;
    this.#isFollowing = true;
    this.#followsSince = now;
    this.#log.begin(now);
  }

  #addUnknown(audience: Audience): void {
    audience.recent.addUnknown();
    this.#plan(audience);
  }

  #plan(audience: Audience): void {
    this.#due.add(audience);
    if (this.#delivery !== undefined) return;
    const pause = this.#deliveredAt + pauseMilliseconds - performance.now();
    this.#delivery = setTimeout(() => void this.#deliver(), Math.max(gatherMilliseconds, pause)).unref();
  }

  async #deliver(): Promise<void> {
    const due = [...this.#due];
    this.#due.clear();
    for (const { streams, recent } of due) {
      const update = recent.take();
      await inTurns(streams, (stream) => stream.send(update));
    }
    this.#deliveredAt = performance.now();
    this.#delivery = undefined;
    const [next] = this.#due;
    if (next !== undefined && !this.#isClosed) this.#plan(next);
  }

  async #beat(): Promise<void> {
    if (this.#isFollowing && this.#places.taken === 0 && Date.now() > this.#expectsUntil)
      this.#isFollowing = false;
    const streams = [...this.#audiences.values()].flatMap((audience) => [...audience.streams]);
    await inTurns(streams, (stream) => stream.beat());
  }
}

/** Runs `work` for each stream, some in each turn of the event loop. */
async function inTurns(
  streams: Iterable<LiveStream>,
  work: (stream: LiveStream) => Promise<void>,
): Promise<void> {
  const all = [...streams];
  for (let start = 0; start < all.length; start += streamsPerTurn) {
    await Promise.all(all.slice(start, start + streamsPerTurn).map(work));
    await setImmediate();
  }
}
