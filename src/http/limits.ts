/**
 * What one client may take of the server, so that none starves the others. A client is whoever has logged in,
 * and else an address. What is refused gets 429 and is told when to come again.
 */
import { TooManyRequests } from "../domain/errors.js";
import { networkOf } from "../lib/network.js";
import { Places } from "../lib/places.js";
import { TokenBuckets } from "../lib/token-buckets.js";
import type { Exchange } from "./exchange.js";

export interface LimitOptions {
  /** Requests a second of one client, 0 for any number. */
  readonly requestsPerSecond: number;
  /** Requests at once that one client may have saved up. */
  readonly requestBurst: number;
  /** Request bodies that are being received at a time, of all clients. */
  readonly uploadsMax: number;
  /** The same of one client. */
  readonly uploadsPerClientMax: number;
  /** Forms for a token that are being received at a time, of all clients. */
  readonly formsMax: number;
  /** The same of one client. */
  readonly formsPerClientMax: number;
}

/** Clients whose rate is known at a time. */
const clientsMax = 100_000;

/** Uploads end when their bytes have come, and nobody knows when: a time that is neither a storm nor a stall. */
const uploadRetrySeconds = 5;

/** A form comes within a round trip. */
const formRetrySeconds = 1;

export class Limits {
  readonly #requests: TokenBuckets | undefined;
  readonly #uploads: Places;
  readonly #forms: Places;

  constructor(readonly options: LimitOptions) {
    const { requestsPerSecond: perSecond, requestBurst } = options;
    const burst = Math.max(1, requestBurst, perSecond);
    this.#requests =
      perSecond === 0 ? undefined : new TokenBuckets({ perSecond, burst, keysMax: clientsMax });
    this.#uploads = new Places(options.uploadsMax, options.uploadsPerClientMax);
    this.#forms = new Places(options.formsMax, options.formsPerClientMax);
  }

  /** Counts a request whose caller is known. Throws `too-many-requests`. */
  countRequest(exchange: Exchange): void {
    if (this.#requests === undefined) return;
    const client = clientOf(exchange);
    if (this.#requests.take(client)) return;
    throw new TooManyRequests("requests", "too many requests", this.#requests.secondsUntilOne(client));
  }

  /** Takes a place for a request's body, to be given back by what is returned. Throws `too-many-requests`. */
  enterUpload(exchange: Exchange): () => void {
    const client = clientOf(exchange);
    if (!this.#uploads.enter(client))
      throw new TooManyRequests("uploads", "too many uploads at once", uploadRetrySeconds);
    return () => this.#uploads.leave(client);
  }

  /**
   * As `enterUpload`, for the form by which a token is asked for. It is no upload: a client that has all of its places
   * taken may still log in.
   */
  enterForm(exchange: Exchange): () => void {
    const client = clientOf(exchange);
    if (!this.#forms.enter(client))
      throw new TooManyRequests("forms", "too many forms at once", formRetrySeconds);
    return () => this.#forms.leave(client);
  }
}

/** Whom a request counts for: the login, or else the network that it comes from. */
export function clientOf({ identity, incoming }: Exchange): string {
  return identity === undefined || identity.kind === "anonymous"
    ? networkOf(incoming.peer.address)
    : identity.subject;
}
