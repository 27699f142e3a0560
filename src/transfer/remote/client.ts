/**
 * An HTTP client for registries. It logs in, retries if the registry is busy or the connection breaks, follows redirects and
 * bounds the responses that it keeps. It knows nothing about images.
 */
import { setTimeout as pause } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { Agent, request } from "undici";
import { orAborted } from "../../lib/or-aborted.js";
import { demandText } from "../files.js";
import { SourceError } from "../source.js";
import {
  type Answer,
  bodyOf,
  challengeOf,
  discard,
  type Headers,
  isPassing,
  jsonOf,
  retryAfterSeconds,
} from "./answer.js";
import { AnswerError } from "./answer-error.js";
import { Authorizer, type Credentials, type TokenAnswer } from "./authorization.js";
import { type ClientOptions, importOptionNames } from "./client-options.js";
import { Reachable } from "./reachable.js";

const defaultTries = 5;
const firstPauseMilliseconds = 250;
const retryAfterSecondsMax = 60;
const redirectsMax = 5;
const busyStatuses = new Set([429, 502, 503, 504]);
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

const rootPath = "/v2/";

/** A token response has a few KB. */
const tokenBytesMax = 256 * 1024;

const defaultWholeMilliseconds = 120_000;
/** Time limit until a response starts. */
const headersMilliseconds = 120_000;
const defaultSilenceMilliseconds = 60_000;

/** Maximum repositories with a cached authorization: a registry may list any number of them. */
const authorizationsMax = 1000;

export class RegistryClient {
  readonly #authorizer: Authorizer;
  /** The last accepted authorization for a path's kind of access. */
  readonly #authorizations = new LRUCache<string, string>({ max: authorizationsMax });
  /** Agents for the registry and allowed hosts, and for other hosts to which the registry leads. */
  readonly #agent: Agent;
  readonly #otherAgent: Agent;
  readonly #trustedHosts: ReadonlySet<string>;

  private constructor(
    readonly options: ClientOptions,
    ca: string | undefined,
    credentials: Credentials | undefined,
  ) {
    const { connections, url, realmHosts, redirectHosts, pinsRealms = false } = options;
    const { optionNames = importOptionNames, silenceMilliseconds = defaultSilenceMilliseconds } = options;
    const reachable = new Reachable(optionNames.redirect);
    const times = { connections, headersTimeout: headersMilliseconds, bodyTimeout: silenceMilliseconds };
    const connect = ca === undefined ? {} : { ca };
    this.#trustedHosts = new Set([url.host, ...realmHosts, ...redirectHosts]);
    this.#agent = new Agent({ ...times, connect: reachable.registryConnector(url.hostname, connect) });
    this.#otherAgent = new Agent({ ...times, connect: reachable.otherConnector(connect) });
    this.#authorizer = new Authorizer({
      registry: options.url,
      credentials,
      realmHosts,
      pinsRealms,
      optionNames,
      fetchToken: (url, headers) => this.#fetchToken(url, headers),
      onLogin: (isAccepted) => this.options.onLogin?.(isAccepted),
    });
  }

  static async open(options: ClientOptions): Promise<RegistryClient> {
    const { username, passwordFile, caFile } = options;
    const ca = caFile === undefined ? undefined : await demandText(caFile);
    // Node ignores other text, and then trusts no certificate.
    if (ca !== undefined && !ca.includes("-----BEGIN "))
      throw new SourceError(`${caFile} has no certificate in PEM form`);
    const inFile = passwordFile === undefined ? "" : (await demandText(passwordFile)).replace(/\r?\n$/, "");
    if (passwordFile !== undefined && inFile === "") throw new SourceError(`${passwordFile} has no password`);
    const password = options.password ?? inFile;
    return new RegistryClient(options, ca, username === undefined ? undefined : { username, password });
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#otherAgent.destroy()]);
  }

  async #fetchToken(url: URL, headers: Headers): Promise<TokenAnswer> {
    return this.#inTime(`the token server ${url.host}`, async (late) => {
      const answer = await this.#patiently(url, "GET", headers, late);
      const body = await bodyOf(answer, tokenBytesMax, url.host);
      const { statusCode: status } = answer;
      const told = { status, retryAfterSeconds: retryAfterSeconds(answer) };
      return status === 200 ? { ...told, json: jsonOf(body, url.host) } : told;
    });
  }

  /** Runs `work` with a signal that aborts after the time limit. Rejects with `SourceError` if the response is incomplete. */
  async #inTime<T>(what: string, work: (late: AbortSignal) => Promise<T>, earlier?: AbortSignal): Promise<T> {
    const { wholeMilliseconds = defaultWholeMilliseconds } = this.options;
    try {
      return await work(earlier ?? AbortSignal.timeout(wholeMilliseconds));
    } catch (error) {
      if (error instanceof SourceError || this.options.signal.aborted || earlier?.aborted === true)
        throw error;
      throw new SourceError(`the response of ${what} is incomplete`, { cause: error });
    }
  }

  /**
   * Returns a successful response with its whole body, within the time limit. Rejects with `AnswerError` for another status.
   */
  async whole(
    repository: string,
    path: string,
    bytesMax: number,
    headers: Headers = {},
    late?: AbortSignal,
  ): Promise<{ readonly answer: Answer; readonly body: Buffer }> {
    return this.#inTime(
      `${this.options.url.host} to ${path}`,
      async (limit) => {
        const answer = await this.request(repository, path, headers, "GET", limit);
        if (answer.statusCode < 200 || answer.statusCode > 299) await discard(answer);
        this.demandSuccess(answer, path);
        return { answer, body: await bodyOf(answer, bytesMax, path) };
      },
      late,
    );
  }

  /** Throws `AnswerError` if the response is not a success; `what` names the requested object. */
  demandSuccess(answer: Answer, what: string): void {
    const { credentials } = this.options.optionNames ?? importOptionNames;
    const { statusCode } = answer;
    if (statusCode >= 200 && statusCode <= 299) return;
    const hint = statusCode === 401 ? `: the registry requires other credentials (${credentials})` : "";
    const why = `the response status for ${what} is ${statusCode}${hint}`;
    throw new AnswerError(why, statusCode, retryAfterSeconds(answer));
  }

  /**
   * Returns the response to a request for `repository`, or `""` for the registry itself. The caller must read or discard the
   * body.
   */
  async request(
    repository: string,
    path: string,
    headers: Headers = {},
    method: "GET" | "HEAD" = "GET",
    late?: AbortSignal,
  ): Promise<Answer> {
    const url = new URL(path, this.options.url);
    if (url.origin !== this.options.url.origin)
      throw new SourceError(`${this.options.url.host} leads to ${url.host}`);
    const begunAt = performance.now();
    let authorization = this.#authorizations.get(repository);
    for (let asked = 0; ; asked++) {
      const withLogin = authorization === undefined ? headers : { ...headers, Authorization: authorization };
      const answer = await this.#followed(url, method, withLogin, late);
      const challenge = answer.statusCode === 401 && asked < 2 ? challengeOf(answer) : undefined;
      if (challenge === undefined || isBasic(authorization)) {
        await this.#demandLogin(answer, path, authorization, late);
        this.options.onBegin?.(performance.now() - begunAt);
        return answer;
      }
      await discard(answer);
      // Others may wait for the same token, so it arrives even if this request is late.
      authorization = await orAborted(this.#authorizer.answer(challenge, authorization), late);
      this.#authorizations.set(repository, authorization);
    }
  }

  /**
   * Rejects with `CredentialsRefused` if the registry does not accept the user name and the password with which it gave this
   * answer. It may have denied this one object, so its root decides (distribution-spec, end-1).
   */
  async #demandLogin(
    answer: Answer,
    path: string,
    authorization: string | undefined,
    late: AbortSignal | undefined,
  ): Promise<void> {
    if (authorization === undefined || !isBasic(authorization)) return;
    let status = answer.statusCode;
    if (status === 401 && path !== rootPath) {
      const root = new URL(rootPath, this.options.url);
      const rootAnswer = await this.#followed(root, "GET", { Authorization: authorization }, late);
      status = rootAnswer.statusCode;
      await discard(rootAnswer);
    }
    if (status !== 401) return this.options.onLogin?.(true);
    await discard(answer);
    this.#authorizations.clear();
    throw this.#authorizer.refused(this.options.url.host);
  }

  /** Follows redirects to the registry's blob storage, without the registry's credentials. */
  async #followed(
    start: URL,
    method: "GET" | "HEAD",
    headers: Headers,
    late: AbortSignal | undefined,
  ): Promise<Answer> {
    let url = start;
    for (let redirects = 0; ; redirects++) {
      const { Authorization, ...others } = headers;
      const answer = await this.#patiently(url, method, url.origin === start.origin ? headers : others, late);
      if (url.origin === start.origin) this.options.onAnswer?.(answer);
      const location = redirectStatuses.has(answer.statusCode) ? answer.headers.location : undefined;
      if (typeof location !== "string") return answer;
      await discard(answer);
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (next === undefined || !["http:", "https:"].includes(next.protocol))
        throw new SourceError(`${start.host} redirects to an invalid URL: ${location}`);
      if (redirects >= redirectsMax) throw new SourceError(`${start.host} redirects too many times`);
      if (next.protocol !== "https:" && next.protocol !== start.protocol)
        throw new SourceError(`${start.host} redirects to ${next.host} without TLS`);
      url = next;
    }
  }

  async #patiently(
    url: URL,
    method: "GET" | "HEAD",
    headers: Headers,
    late: AbortSignal | undefined,
  ): Promise<Answer> {
    const { signal: ended, tries: triesMax = defaultTries } = this.options;
    const { waitSecondsMax = Number.POSITIVE_INFINITY } = this.options;
    const signal = late === undefined ? ended : AbortSignal.any([ended, late]);
    const dispatcher = this.#trustedHosts.has(url.host) ? this.#agent : this.#otherAgent;
    for (let tries = 1; ; tries++) {
      const milliseconds = firstPauseMilliseconds * 2 ** (tries - 1);
      let wait = milliseconds;
      try {
        const answer = await request(url, { method, headers, signal, dispatcher });
        if (!busyStatuses.has(answer.statusCode) || tries === triesMax) return answer;
        const after = retryAfterSeconds(answer);
        if (after > waitSecondsMax) return answer;
        if (after > 0) wait = Math.min(after, retryAfterSecondsMax) * 1000;
        await discard(answer);
      } catch (error) {
        if (signal.aborted || error instanceof SourceError) throw error;
        if (tries === triesMax || !isPassing(error))
          throw new SourceError(`${url.host} cannot be reached`, { cause: error });
      }
      await pause(wait, undefined, { signal });
    }
  }
}

function isBasic(authorization: string | undefined): boolean {
  return authorization?.startsWith("Basic ") === true;
}
