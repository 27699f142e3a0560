/**
 * Limits the share of one client, so that none starves the others. A client is a login or, without login, an address. A
 * refused request gets 429 with `Retry-After`.
 */
import { TooManyRequests } from "../domain/errors.js";
import { Places } from "../lib/places.js";
import type { SharedLimits } from "../lib/shared-limits.js";
import { TokenBuckets } from "../lib/token-buckets.js";
import type { Exchange } from "./exchange.js";

export interface LimitOptions {
  /** Requests per second of one client; 0 sets no limit. */
  readonly requestsPerSecond: number;
  /** Requests that one client may send in a burst. */
  readonly requestBurst: number;
  /** Request bodies of all clients that are being received at the same time. */
  readonly uploadsMax: number;
  /** The same of one client. */
  readonly uploadsPerClientMax: number;
  /** Token request forms of all clients that are being received at the same time. */
  readonly formsMax: number;
  /** The same of one client. */
  readonly formsPerClientMax: number;
  /** The use at other processes of this server. Absent if there are none. */
  readonly shared?: SharedLimits | undefined;
}

/** Maximum number of clients whose rate is tracked. */
const clientsMax = 100_000;

/** The end of an upload is unpredictable: long enough to avoid a retry storm, short enough to avoid a stall. */
const uploadRetrySeconds = 5;

/** A form arrives within a round trip. */
const formRetrySeconds = 1;

export class Limits {
  readonly #requests: TokenBuckets | undefined;
  readonly #uploads: Places;
  readonly #forms: Places;

  constructor(readonly options: LimitOptions) {
    const { requestsPerSecond: perSecond, requestBurst } = options;
    const shared = (name: string) => options.shared && { limits: options.shared, name };
    const burst = Math.max(1, requestBurst, perSecond);
    this.#requests =
      perSecond === 0
        ? undefined
        : new TokenBuckets({ perSecond, burst, keysMax: clientsMax, shared: shared("requests") });
    this.#uploads = new Places(options.uploadsMax, options.uploadsPerClientMax, shared("uploads"));
    this.#forms = new Places(options.formsMax, options.formsPerClientMax, shared("forms"));
  }

  /** Counts a request of an authenticated caller. Throws `too-many-requests`. */
  countRequest(exchange: Exchange): void {
    if (this.#requests === undefined) return;
    const { client } = exchange;
    if (this.#requests.take(client)) return;
    throw new TooManyRequests("requests", "too many requests", this.#requests.secondsUntilOne(client));
  }

  /** Takes a place for a request's body and returns the function that releases it. Throws `too-many-requests`. */
  enterUpload(exchange: Exchange): () => void {
    const { client } = exchange;
    if (!this.#uploads.enter(client))
      throw new TooManyRequests("uploads", "too many uploads at once", uploadRetrySeconds);
    return () => this.#uploads.leave(client);
  }

  /**
   * Like `enterUpload`, for a token request form. It does not count as an upload, so that a client with all places taken can
   * still log in.
   */
  enterForm(exchange: Exchange): () => void {
    const { client } = exchange;
    if (!this.#forms.enter(client))
      throw new TooManyRequests("forms", "too many forms at once", formRetrySeconds);
    return () => this.#forms.leave(client);
  }
}
