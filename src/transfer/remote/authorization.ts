/**
 * Logs in to a registry as its challenges demand (RFC 7235; Docker's token protocol). Credentials go only to the registry
 * itself and to token servers on its host or on an allowed host, because a registry may name any realm (CVE-2026-33540).
 */
import { LRUCache } from "lru-cache";
import { isObject } from "../../domain/descriptor.js";
import { SourceError } from "../source.js";
import { AnswerError, CredentialsRefused } from "./answer-error.js";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

export interface Challenge {
  readonly scheme: "basic" | "bearer";
  readonly realm: string;
  readonly service: string | undefined;
  readonly scope: string | undefined;
}

/** Parses `WWW-Authenticate`. Returns `undefined` for a scheme that this client does not support. */
export function parseChallenge(header: string): Challenge | undefined {
  const match = /^\s*(basic|bearer)\b\s*(.*)$/is.exec(header);
  const scheme = match?.[1]?.toLowerCase();
  if (scheme !== "basic" && scheme !== "bearer") return undefined;
  const parameters = new Map<string, string>();
  for (const [, key = "", quoted, plain] of (match?.[2] ?? "").matchAll(
    /(?<![a-z_])([a-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi,
  ))
    parameters.set(key.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "");
  return {
    scheme,
    realm: parameters.get("realm") ?? "",
    service: parameters.get("service"),
    scope: parameters.get("scope"),
  };
}

export interface AuthorizerOptions {
  readonly registry: URL;
  readonly credentials: Credentials | undefined;
  /** Other hosts whose token servers may receive the credentials. */
  readonly realmHosts: readonly string[];
  /** Whether other token servers may not even be asked for anonymous tokens. */
  readonly pinsRealms: boolean;
  /** Names of the options for people that add to `realmHosts`, and that set the credentials. */
  readonly optionNames: { readonly realm: string; readonly credentials: string };
  readonly fetchToken: (url: URL, headers: Readonly<Record<string, string>>) => Promise<TokenAnswer>;
  /** Called when the credentials were accepted or refused. */
  readonly onLogin: (isAccepted: boolean) => void;
}

export interface TokenAnswer {
  readonly status: number;
  /** Absent if the response is not a success. */
  readonly json?: unknown;
  readonly retryAfterSeconds: number;
}

/** Refused credentials are not sent again for this long, because a registry may lock an account after many attempts. */
const refusedMilliseconds = 60_000;

/** Maximum cached headers: a registry may demand another scope each time. */
const headersMax = 1000;

/** Characters and maximum length of a token; no server would read a longer header. */
const tokenGrammar = /^[\x21-\x7e]{1,16384}$/;

export class Authorizer {
  /** Headers by challenge. */
  readonly #headers = new LRUCache<string, Promise<string>>({ max: headersMax });

  #refusedUntil = 0;

  constructor(readonly options: AuthorizerOptions) {}

  /**
   * Returns the `Authorization` for a challenge. `refused` is the header that the registry refused with this challenge.
   * Rejects with `SourceError` if there is none.
   */
  answer(challenge: Challenge, refused: string | undefined): Promise<string> {
    const key = JSON.stringify(challenge);
    const kept = this.#headers.get(key);
    if (kept === undefined) return this.#keep(key, this.#make(challenge));
    return kept.then((header) => (header === refused ? this.#keep(key, this.#make(challenge)) : header));
  }

  #keep(key: string, making: Promise<string>): Promise<string> {
    this.#headers.set(key, making);
    making.catch(() => this.#headers.delete(key));
    return making;
  }

  /** Call it if the registry does not accept a header with the credentials, whatever is requested. Returns the error. */
  refused(host: string): CredentialsRefused {
    this.#refusedUntil = performance.now() + refusedMilliseconds;
    this.#headers.clear();
    this.options.onLogin(false);
    return this.#refusal(host);
  }

  #refusal(host: string): CredentialsRefused {
    return new CredentialsRefused(`${host}: credentials refused (${this.options.optionNames.credentials})`);
  }

  async #make({ scheme, realm, service, scope }: Challenge): Promise<string> {
    const { registry, credentials } = this.options;
    if (performance.now() < this.#refusedUntil) throw this.#refusal(registry.host);
    if (scheme === "basic") {
      if (credentials === undefined)
        throw new SourceError(`${registry.host} requires a user name and a password`);
      return basic(credentials);
    }
    const url = this.#realmUrl(realm);
    if (service !== undefined) url.searchParams.set("service", service);
    if (scope !== undefined) url.searchParams.set("scope", scope);
    const headers = credentials === undefined ? {} : { Authorization: basic(credentials) };
    const { status, json, retryAfterSeconds } = await this.options.fetchToken(url, headers);
    if (status !== 200) {
      const isDenied = credentials !== undefined && isDenial(status);
      if (isDenied && (await this.#deniesAll(url, headers))) throw this.refused(url.host);
      const why = `the token server ${url.host} responded with status ${status}`;
      throw new AnswerError(why, status, retryAfterSeconds);
    }
    const token = isObject(json) ? (json.token ?? json.access_token) : undefined;
    if (typeof token !== "string" || !tokenGrammar.test(token))
      throw new SourceError(`the token server ${url.host} returned no token${scope ? ` for ${scope}` : ""}`);
    if (credentials !== undefined) this.options.onLogin(true);
    return `Bearer ${token}`;
  }

  /**
   * Returns whether a token server that denied a token for one repository denies one for nothing, too: some deny tokens for
   * repositories that do not exist, or that the account may not pull.
   */
  async #deniesAll(denied: URL, headers: Readonly<Record<string, string>>): Promise<boolean> {
    if (!denied.searchParams.has("scope")) return true;
    const url = new URL(denied);
    url.searchParams.delete("scope");
    return isDenial((await this.options.fetchToken(url, headers)).status);
  }

  #realmUrl(realm: string): URL {
    const { registry, credentials, realmHosts, pinsRealms, optionNames } = this.options;
    if (!URL.canParse(realm)) throw new SourceError(`${registry.host} names no token server`);
    const url = new URL(realm);
    if (url.protocol !== "https:" && url.protocol !== registry.protocol)
      throw new SourceError(`${registry.host} names a token server without TLS, ${url.host}`);
    const isPinned = credentials !== undefined || pinsRealms;
    if (isPinned && url.host !== registry.host && !realmHosts.includes(url.host)) {
      const wish = credentials === undefined ? "get a token from" : "send the credentials to";
      throw new SourceError(
        `${registry.host} asks to ${wish} ${url.host}; if that is correct, allow it with ${optionNames.realm} ${url.host}`,
      );
    }
    return url;
  }
}

function isDenial(status: number): boolean {
  return status === 401 || status === 403;
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
