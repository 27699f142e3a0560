/**
 * Asks a registry: with the login that it wants, again where it is busy or the connection breaks, through
 * redirects, and with a bound on how many bytes of an answer are kept. Knows HTTP and nothing of images.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { Agent, type Dispatcher, request } from "undici";
import { SourceError } from "../source.js";
import { Authorizer, type Credentials, parseChallenge } from "./authorization.js";
import { Reachable } from "./reachable.js";

export interface ClientOptions {
  readonly url: URL;
  readonly connections: number;
  readonly username: string | undefined;
  /** Files with the password and with certificates of authorities, as PEM. */
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly realmHosts: readonly string[];
  /** Hosts that redirects may lead to whatever their addresses are. */
  readonly redirectHosts: readonly string[];
  readonly signal: AbortSignal;
}

export type Answer = Dispatcher.ResponseData;
export type Headers = Readonly<Record<string, string>>;

/** Tries of one request where the registry is busy or does not answer. */
const triesMax = 5;
const firstPauseMilliseconds = 250;
const retryAfterSecondsMax = 60;
const redirectsMax = 5;
const busyStatuses = new Set([429, 502, 503, 504]);
const redirectStatuses = new Set([301, 302, 303, 307, 308]);

/** A token's answer has some KB. */
const tokenBytesMax = 256 * 1024;

/** From the request to the end of an answer that is kept whole: a manifest, a page of a list, a token. */
const wholeAnswerMilliseconds = 120_000;
/** Until an answer begins. */
const headersMilliseconds = 120_000;
/** Between two pieces of a body. */
const silenceMilliseconds = 60_000;

/** Repositories whose authorizations are remembered: a registry may list any number of them. */
const authorizationsMax = 1000;

export class RegistryClient {
  readonly #authorizer: Authorizer;
  /** What was last let in for a path's kind of access. */
  readonly #authorizations = new LRUCache<string, string>({ max: authorizationsMax });
  /** For the registry and hosts that were allowed by name; and for others that the registry leads to. */
  readonly #agent: Agent;
  readonly #otherAgent: Agent;
  readonly #trustedHosts: ReadonlySet<string>;

  private constructor(
    readonly options: ClientOptions,
    ca: string | undefined,
    credentials: Credentials | undefined,
  ) {
    const reachable = new Reachable();
    const { connections, url, realmHosts, redirectHosts } = options;
    const times = { connections, headersTimeout: headersMilliseconds, bodyTimeout: silenceMilliseconds };
    const connect = ca === undefined ? {} : { ca };
    this.#trustedHosts = new Set([url.host, ...realmHosts, ...redirectHosts]);
    this.#agent = new Agent({ ...times, connect: reachable.registryConnector(url.hostname, connect) });
    this.#otherAgent = new Agent({ ...times, connect: reachable.otherConnector(connect) });
    this.#authorizer = new Authorizer({
      registry: options.url,
      credentials,
      realmHosts: options.realmHosts,
      fetchJson: (url, headers) => this.#fetchToken(url, headers),
    });
  }

  static async open(options: ClientOptions): Promise<RegistryClient> {
    const { username, passwordFile, caFile } = options;
    const ca = caFile === undefined ? undefined : await readFile(caFile, "utf8");
    const password =
      passwordFile === undefined ? "" : (await readFile(passwordFile, "utf8")).replace(/\r?\n$/, "");
    return new RegistryClient(options, ca, username === undefined ? undefined : { username, password });
  }

  async close(): Promise<void> {
    await Promise.all([this.#agent.destroy(), this.#otherAgent.destroy()]);
  }

  async #fetchToken(url: URL, headers: Headers): Promise<unknown> {
    return this.#inTime(`the token server ${url.host}`, async (late) => {
      const answer = await this.#patiently(url, "GET", headers, late);
      const body = await bodyOf(answer, tokenBytesMax, url.host);
      if (answer.statusCode === 200) return jsonOf(body, url.host);
      throw new SourceError(`the token server ${url.host} answers ${answer.statusCode}`);
    });
  }

  /** Runs `work` with a signal for when it is late. Rejects with `SourceError` where the answer does not come whole. */
  async #inTime<T>(what: string, work: (late: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await work(AbortSignal.timeout(wholeAnswerMilliseconds));
    } catch (error) {
      if (error instanceof SourceError || this.options.signal.aborted) throw error;
      throw new SourceError(`the answer of ${what} did not come whole`, { cause: error });
    }
  }

  /** A successful answer and its whole body, which have to come in time. Rejects with `AnswerError` for another one. */
  async whole(
    repository: string,
    path: string,
    bytesMax: number,
    headers: Headers = {},
  ): Promise<{ readonly answer: Answer; readonly body: Buffer }> {
    return this.#inTime(`${this.options.url.host} to ${path}`, async (late) => {
      const answer = await this.request(repository, path, headers, "GET", late);
      if (answer.statusCode < 200 || answer.statusCode > 299) await answer.body.dump();
      expectSuccess(answer, path);
      return { answer, body: await bodyOf(answer, bytesMax, path) };
    });
  }

  /** The answer to a request of `repository`'s, `""` for the registry's own. Its body is the caller's to read or dump. */
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
    let authorization = this.#authorizations.get(repository);
    for (let asked = 0; ; asked++) {
      const withLogin = authorization === undefined ? headers : { ...headers, Authorization: authorization };
      const answer = await this.#followed(url, method, withLogin, late);
      const challenge = answer.statusCode === 401 && asked < 2 ? challengeOf(answer) : undefined;
      if (challenge === undefined) return answer;
      await answer.body.dump();
      authorization = await this.#authorizer.answer(challenge, authorization);
      this.#authorizations.set(repository, authorization);
    }
  }

  /** Redirects lead to where a registry keeps its blobs; what the registry lets us in by does not go there. */
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
      const location = redirectStatuses.has(answer.statusCode) ? answer.headers.location : undefined;
      if (typeof location !== "string") return answer;
      await answer.body.dump();
      const next = URL.canParse(location, url.href) ? new URL(location, url) : undefined;
      if (next === undefined || !["http:", "https:"].includes(next.protocol))
        throw new SourceError(`${start.host} redirects to what is no URL: ${location}`);
      if (redirects >= redirectsMax) throw new SourceError(`${start.host} redirects without an end`);
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
    const { signal: ended } = this.options;
    const signal = late === undefined ? ended : AbortSignal.any([ended, late]);
    const dispatcher = this.#trustedHosts.has(url.host) ? this.#agent : this.#otherAgent;
    for (let tries = 1; ; tries++) {
      const milliseconds = firstPauseMilliseconds * 2 ** (tries - 1);
      let wait = milliseconds;
      try {
        const answer = await request(url, { method, headers, signal, dispatcher });
        if (!busyStatuses.has(answer.statusCode) || tries === triesMax) return answer;
        const after = Number(answer.headers["retry-after"]);
        if (after > 0) wait = Math.min(after, retryAfterSecondsMax) * 1000;
        await answer.body.dump();
      } catch (error) {
        if (signal.aborted || error instanceof SourceError) throw error;
        if (tries === triesMax || !isPassing(error))
          throw new SourceError(`${url.host} cannot be asked`, { cause: error });
      }
      await pause(wait, undefined, { signal });
    }
  }
}

/** What another try may not meet again; a certificate that is not trusted will not be then. */
const passing = new Set([
  "ECONNRESET",
  "ETIMEDOUT",
  "EPIPE",
  "EAI_AGAIN",
  "UND_ERR_SOCKET",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
]);

export function isPassing(error: unknown): boolean {
  return error instanceof Error && passing.has((error as NodeJS.ErrnoException).code ?? "");
}

function challengeOf({ headers }: Answer) {
  const asked = headers["www-authenticate"];
  for (const header of Array.isArray(asked) ? asked : [asked ?? ""]) {
    const challenge = parseChallenge(header);
    if (challenge !== undefined) return challenge;
  }
  return undefined;
}

/** The registry answers, with a status that does not help. */
export class AnswerError extends SourceError {
  constructor(
    readonly status: number,
    what: string,
  ) {
    super(`the answer to ${what} is ${status}`);
  }
}

/** Throws `AnswerError` where the answer is not a success; `what` was asked for. */
export function expectSuccess({ statusCode }: Answer, what: string): void {
  if (statusCode < 200 || statusCode > 299) throw new AnswerError(statusCode, what);
}

/** The whole body. Rejects where it is longer than `bytesMax`. */
export async function bodyOf(answer: Answer, bytesMax: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new SourceError(`the answer to ${what} has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function jsonOf(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw new SourceError(`the answer to ${what} is not JSON`, { cause: error });
  }
}
