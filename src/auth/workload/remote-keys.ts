/**
 * The keys that an issuer publishes (OpenID Connect Discovery 1.0). They are cached and refreshed periodically, and at once
 * if a token names an unknown key, but with a rate limit, so that tokens with made-up key IDs cannot make Gantry flood the
 * issuer.
 */
import type { JWTHeaderParameters } from "jose";
import { z } from "zod";
import { type KeySource, refused } from "../tokens/jwt.js";
import { type KeyChoice, parseTrusted } from "../tokens/trusted-keys.js";
import { fetchJson } from "./fetch-json.js";

export interface RemoteKeysOptions {
  /** As in the tokens' `iss`. */
  readonly issuer: string;
  /** URL of the keys; absent to use discovery. */
  readonly jwksUri: string | undefined;
  /** See `fetchJson`. */
  readonly ca: string | undefined;
  /** Called for each failed fetch. */
  readonly onError: (error: Error) => void;
}

/** Issuers announce new keys long before they use them. */
const refreshMilliseconds = 10 * 60_000;
/** How long keys stay valid while the issuer is unreachable. */
const staleMillisecondsMax = 24 * 60 * 60_000;
/** Minimum time between two fetches for unknown keys. */
const unknownKeyMilliseconds = 30_000;
/** Delay after a failed fetch; doubles with each further failure. */
const backOffMilliseconds = 1_000;
const backOffMillisecondsMax = 5 * 60_000;

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url() });

interface Fetched {
  readonly json: string;
  readonly choice: KeyChoice;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export class RemoteKeys implements KeySource {
  #generation = 0;
  #fetched: Fetched | undefined;
  #fetching: Promise<void> | undefined;
  #failures = 0;
  /** Milliseconds since the epoch before which nothing is fetched. */
  #notBefore = 0;

  constructor(readonly options: RemoteKeysOptions) {}

  get generation(): number {
    return this.#generation;
  }

  async keyOf(header: JWTHeaderParameters): Promise<Awaited<ReturnType<KeyChoice>>> {
    const age = this.#age();
    if (age > staleMillisecondsMax) await this.#fetch();
    else if (age > refreshMilliseconds) void this.#fetch();
    try {
      return await this.#choose(header);
    } catch (error) {
      if (this.#age() < unknownKeyMilliseconds) throw error;
      await this.#fetch();
      return this.#choose(header);
    }
  }

  #age(): number {
    return this.#fetched === undefined ? Number.POSITIVE_INFINITY : Date.now() - this.#fetched.at;
  }

  #choose(header: JWTHeaderParameters): ReturnType<KeyChoice> {
    if (this.#fetched === undefined || this.#age() > staleMillisecondsMax)
      throw refused("its issuer's keys cannot be fetched");
    return this.#fetched.choice(header);
  }

  /** Shares one fetch among all waiting callers, and skips it during the delay after a failure. Does not reject. */
  async #fetch(): Promise<void> {
    if (this.#fetching === undefined && Date.now() < this.#notBefore) return;
    this.#fetching ??= this.#attempt().finally(() => {
      this.#fetching = undefined;
    });
    await this.#fetching;
  }

  async #attempt(): Promise<void> {
    try {
      const json = JSON.stringify(await fetchJson(await this.#jwksUri(), this.options));
      const choice = await parseTrusted({ jwks: json });
      if (this.#fetched !== undefined && this.#fetched.json !== json) this.#generation++;
      this.#fetched = { json, choice, at: Date.now() };
      this.#failures = 0;
      this.#notBefore = 0;
    } catch (error) {
      const wait = Math.min(backOffMilliseconds * 2 ** this.#failures++, backOffMillisecondsMax);
      this.#notBefore = Date.now() + wait;
      this.options.onError(
        new Error(`the keys of ${this.options.issuer} cannot be fetched`, { cause: error }),
      );
    }
  }

  /** Discovered for each fetch, because issuers may move their keys. */
  async #jwksUri(): Promise<URL> {
    const { issuer, jwksUri } = this.options;
    if (jwksUri !== undefined) return new URL(jwksUri);
    const base = issuer.replace(/\/$/, "");
    const found = discovery.parse(
      await fetchJson(new URL(`${base}/.well-known/openid-configuration`), this.options),
    );
    // "MUST exactly match the value of issuer in the ID Tokens"
    if (found.issuer !== issuer) throw new Error("its discovery document names another issuer");
    const uri = new URL(found.jwks_uri);
    if (uri.origin !== new URL(issuer).origin)
      throw new Error("its discovery document points to another host; if that is correct, set jwksuri");
    return uri;
  }
}
