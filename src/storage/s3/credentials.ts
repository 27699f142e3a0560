/**
 * Credentials for the store from the chain of AWS: environment, profile, web identity of Kubernetes, metadata of the container
 * or instance. They are fetched once for all who wait, and again some minutes before they expire, while requests still use
 * the old ones.
 */
import { endsWithin } from "../../lib/ends-within.js";
import type { S3Credentials } from "./signed-requests.js";

export interface FetchedCredentials extends S3Credentials {
  /** Absent if they do not expire. */
  readonly expiration?: Date | undefined;
}

export interface CredentialSource {
  /** Resolves with credentials that have not expired. */
  readonly get: () => Promise<S3Credentials>;
  /** Call it when the store has refused the current credentials as expired. */
  readonly refused: () => void;
}

/** AWS hands out new credentials at least five minutes before the old ones expire. */
const renewedSecondsBefore = 5 * 60;

/** A source that fails, or whose new credentials are not better, is asked again after this time. */
const askAgainSeconds = 5;

/** The metadata of an instance and web identities take a second at most; SSO and processes longer. */
const fetchSecondsMax = 30;

export class RenewedCredentials implements CredentialSource {
  #current: FetchedCredentials | undefined;
  #fetching: Promise<FetchedCredentials> | undefined;
  #askedAt = Number.NEGATIVE_INFINITY;
  #failure: unknown;

  constructor(
    readonly fetch: () => Promise<FetchedCredentials>,
    /** In milliseconds since the epoch. */
    readonly clock: () => number = Date.now,
  ) {}

  readonly get = async (): Promise<S3Credentials> => {
    const current = this.#current;
    const secondsLeft = current === undefined ? 0 : this.#secondsLeft(current);
    if (current === undefined || secondsLeft <= 0) return this.#renewed();
    // A failure matters once these have expired.
    if (secondsLeft < renewedSecondsBefore && !this.#wasAskedJustNow()) this.#renewed().catch(() => {});
    return current;
  };

  readonly refused = (): void => {
    // Requests that were sent before the last renewal may be refused after it.
    if (!this.#wasAskedJustNow()) this.#current = undefined;
  };

  #secondsLeft({ expiration }: FetchedCredentials): number {
    if (expiration === undefined) return Number.POSITIVE_INFINITY;
    return (expiration.getTime() - this.clock()) / 1000;
  }

  #wasAskedJustNow(): boolean {
    return this.clock() - this.#askedAt < askAgainSeconds * 1000;
  }

  #renewed(): Promise<FetchedCredentials> {
    if (this.#fetching !== undefined) return this.#fetching;
    if (this.#failure !== undefined && this.#wasAskedJustNow()) return Promise.reject(this.#failure);
    this.#askedAt = this.clock();
    this.#fetching = this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<FetchedCredentials> {
    this.#failure = undefined;
    try {
      const fetching = this.fetch();
      if (!(await endsWithin(fetchSecondsMax * 1000, fetching)))
        throw new Error(`the source of credentials did not answer within ${fetchSecondsMax} s`);
      this.#current = await fetching;
      return this.#current;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}

/** Returns a source of credentials that never change. */
export function fixedCredentials(credentials: S3Credentials): CredentialSource {
  return { get: async () => credentials, refused: () => {} };
}

/** Returns the chain of AWS. Its packages are loaded when they are needed first. */
export function chainedCredentials(region: string): CredentialSource {
  return new RenewedCredentials(async () => {
    const { defaultProvider } = await import("@aws-sdk/credential-provider-node");
    // The region of a web identity's token service. A provider keeps what it has found, so each call makes a new one.
    return defaultProvider({ clientConfig: { region } })();
  });
}
