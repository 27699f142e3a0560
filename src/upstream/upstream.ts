/** One registry whose content is cached: its client, and whether it responds at the moment. */
import { RegistryError, TooManyRequests } from "../domain/errors.js";
import { KeyedTurns } from "../lib/keyed-turns.js";
import { Turns } from "../lib/turns.js";
import type { Answer } from "../transfer/remote/answer.js";
import { AnswerError } from "../transfer/remote/answer-error.js";
import { RegistryClient } from "../transfer/remote/client.js";
import { RateLimit } from "../transfer/remote/rate.js";
import { type Outcome, UpstreamCounts } from "./counts.js";
import { isAbsent, isOutage, isUpstreamError, outcomeOf, reasonOf } from "./failure.js";
import type { NamedUpstream } from "./names.js";
import type { UpstreamOptions, UpstreamSettings } from "./upstream-settings.js";

/** Blobs fetched at once; each has an open file and a chunk of memory. Others wait in order of arrival. */
const fetchesAtOnce = 64;
/** Some more, so that slow blobs do not hold up manifests. */
const connections = fetchesAtOnce + 32;
/** Requests to the upstream that one client has caused, at once, and with those that wait for their turn. */
const requestsOfClient = 32;
const waitingOfClient = 1000;

/** After a failure, cached content is served for this long without asking. It doubles with each further failure. */
const pauseMilliseconds = 1_000;
const pauseMillisecondsMax = 60_000;
/** The same for an upstream that asks for a pause. Docker Hub's limit is for six hours, but another client may get through. */
const askedPauseMillisecondsMax = 10 * 60_000;

/** The log repeats after this time that an upstream refuses the credentials. */
const refusalToldMilliseconds = 10 * 60_000;

/** What is kept for clients' own requests when a rate limit runs out: background refreshes stop before. */
const reservedShare = 0.1;

const optionNames = {
  realm: "the setting realms of the upstream:",
  redirect: "the setting redirects of the upstream:",
  credentials: "the upstream's username and password",
};

/** What the upstream said last about its rate limit, as Docker Hub does (`ratelimit-remaining: 95;w=21600`). */
export interface RateBudget {
  readonly limit: number | undefined;
  readonly remaining: number;
}

export interface UpstreamFailure {
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export class Upstream implements NamedUpstream {
  /** Turns of fetched blobs. */
  readonly fetches = new Turns(fetchesAtOnce);
  readonly #callers = new KeyedTurns(requestsOfClient);
  #failures = 0;
  #pausedUntil = 0;
  #budget: RateBudget | undefined;
  #login: "accepted" | "refused" | undefined;
  #lastFailure: UpstreamFailure | undefined;
  #refusalToldAt = Number.NEGATIVE_INFINITY;
  readonly counts = new UpstreamCounts();
  /** Shared by all fetches; absent without a limit. */
  readonly rate: RateLimit | undefined;

  private constructor(
    readonly settings: UpstreamSettings,
    readonly options: UpstreamOptions,
    readonly client: RegistryClient,
    readonly signal: AbortSignal,
  ) {
    const { bytesPerSecond } = settings;
    this.rate = bytesPerSecond === undefined ? undefined : new RateLimit(bytesPerSecond);
  }

  /** Rejects if a file of the settings cannot be read. */
  static async open(
    settings: UpstreamSettings,
    options: UpstreamOptions,
    signal: AbortSignal,
  ): Promise<Upstream> {
    const { url, username, password, passwordFile, caFile, realmHosts, redirectHosts } = settings;
    const client = await RegistryClient.open({
      url,
      connections,
      username,
      password,
      passwordFile,
      caFile,
      realmHosts,
      redirectHosts,
      pinsRealms: true,
      // A retry within the request would hold the client; the cache decides when to ask again.
      tries: 2,
      waitSecondsMax: 1,
      wholeMilliseconds: options.times.answer,
      silenceMilliseconds: options.times.answer,
      optionNames,
      onLogin: (isAccepted) => upstream.#noteLogin(isAccepted),
      onAnswer: (answer) => upstream.#note(answer),
      onBegin: (milliseconds) => upstream.counts.firstByte.add(milliseconds / 1000),
      signal,
    });
    const upstream = new Upstream(settings, options, client, signal);
    return upstream;
  }

  get name(): string {
    return this.settings.name;
  }

  get prefix(): string {
    return this.settings.prefix;
  }

  get isDefault(): boolean {
    return this.settings.isDefault;
  }

  get keptSeconds(): number {
    return this.settings.keptSeconds;
  }

  get budget(): RateBudget | undefined {
    return this.#budget;
  }

  /** Whether the configured credentials were accepted when they were sent last; `undefined` if they were not sent. */
  get login(): "accepted" | "refused" | undefined {
    return this.#login;
  }

  /** The last failure since the start; it may be long ago. */
  get lastFailure(): UpstreamFailure | undefined {
    return this.#lastFailure;
  }

  get times(): UpstreamOptions["times"] {
    return this.options.times;
  }

  /** Whether cached content should be served without asking: the upstream failed recently, or none may be asked. */
  get isPaused(): boolean {
    return this.options.offline || Date.now() < this.#pausedUntil;
  }

  /** Whether the rate limit leaves requests that no client waits for. */
  get allowsBackground(): boolean {
    const { limit, remaining } = this.#budget ?? {};
    return !this.isPaused && (remaining === undefined || remaining > (limit ?? 0) * reservedShare);
  }

  /** The repository's name at the upstream. */
  remoteName(remote: string): string {
    const { namespace } = this.settings;
    return namespace === undefined ? remote : `${namespace}/${remote}`;
  }

  /**
   * Runs `work`, which asks the upstream for all who wait for the same answer, when it is the turn of `client`, who was the
   * first: one client cannot take all connections. Goes on if that client disconnects. Rejects with `too-many-requests`.
   */
  async inTurn<T>(client: string, work: () => Promise<T>): Promise<T> {
    if (this.#callers.size(client) >= waitingOfClient)
      throw new TooManyRequests("requests", `too many of your requests wait for ${this.name}`, 1);
    return this.#callers.within(client, this.signal, work);
  }

  /**
   * Runs `ask` with a signal that aborts after `milliseconds`. Resolves with `undefined` if the upstream does not have the
   * object, or does not show it. Rejects with `upstream-failed` or `upstream-timeout`, which name the upstream.
   */
  async ask<T>(milliseconds: number, ask: (late: AbortSignal) => Promise<T>): Promise<T | undefined> {
    this.demandOnline();
    const late = AbortSignal.timeout(milliseconds);
    try {
      const found = await ask(late);
      this.succeeded();
      return found;
    } catch (error) {
      if (isAbsent(error)) {
        this.succeeded("not_found");
        return undefined;
      }
      throw this.failed(error, late);
    }
  }

  /** Counts the bytes of a manifest, which does not wait for the rate. */
  received(bytes: number): void {
    this.counts.fetchedBytes += bytes;
    this.rate?.spend(bytes);
  }

  /** Throws `upstream-failed` if no upstream may be asked. */
  demandOnline(): void {
    if (!this.options.offline) return;
    const why = `it is not cached, and upstream registries are not asked (setting proxy.offline)`;
    throw new RegistryError("upstream-failed", why);
  }

  succeeded(outcome: Outcome = "success"): void {
    this.#failures = 0;
    this.#pausedUntil = 0;
    this.counts.outcomes[outcome]++;
  }

  /** Returns the error for clients. */
  failed(error: unknown, late?: AbortSignal): RegistryError {
    if (error instanceof RegistryError && !isUpstreamError(error)) return error;
    this.counts.outcomes[outcomeOf(error, late)]++;
    if (late?.aborted === true || isOutage(error)) this.#pause(error);
    const failure = this.#failureOf(error, late);
    this.#lastFailure = { message: failure.message, at: Date.now() };
    return failure;
  }

  #failureOf(error: unknown, late: AbortSignal | undefined): RegistryError {
    if (error instanceof RegistryError) return error;
    if (late?.aborted === true)
      return new RegistryError("upstream-timeout", `the upstream ${this.name} does not respond`, undefined, {
        cause: error,
      });
    return new RegistryError(
      "upstream-failed",
      `the upstream ${this.name} failed: ${reasonOf(error)}`,
      undefined,
      {
        cause: error,
      },
    );
  }

  #pause(error: unknown): void {
    const asked = error instanceof AnswerError ? error.retryAfterSeconds * 1000 : 0;
    // Requests that fail at the same time count once.
    if (Date.now() >= this.#pausedUntil) this.#failures++;
    const own = Math.min(pauseMilliseconds * 2 ** (this.#failures - 1), pauseMillisecondsMax);
    const pause = Math.max(own, Math.min(asked, askedPauseMillisecondsMax));
    this.#pausedUntil = Math.max(this.#pausedUntil, Date.now() + pause);
  }

  #noteLogin(isAccepted: boolean): void {
    this.#login = isAccepted ? "accepted" : "refused";
    const now = performance.now();
    if (isAccepted || now - this.#refusalToldAt < refusalToldMilliseconds) return;
    this.#refusalToldAt = now;
    this.options.onCredentialsRefused(this.name);
  }

  #note({ headers }: Answer): void {
    const remaining = leadingNumber(headers["ratelimit-remaining"]);
    if (remaining === undefined) return;
    this.#budget = { limit: leadingNumber(headers["ratelimit-limit"]), remaining };
  }

  close(): Promise<void> {
    return this.client.close();
  }
}

function leadingNumber(header: string | string[] | undefined): number | undefined {
  const [, digits] = /^\s*(\d{1,12})\b/.exec(typeof header === "string" ? header : "") ?? [];
  return digits === undefined ? undefined : Number(digits);
}
