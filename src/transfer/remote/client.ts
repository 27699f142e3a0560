/**
 * Asks a registry: with the login that it wants, again where it is busy or the connection breaks, through
 * redirects, and with a bound on how many bytes of an answer are kept. Knows HTTP and nothing of images.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { Agent, type Dispatcher, request } from "undici";
import { SourceError } from "../source.js";
import { Authorizer, type Credentials, parseChallenge } from "./authorization.js";

export interface ClientOptions {
  readonly url: URL;
  readonly connections: number;
  readonly username: string | undefined;
  /** Files with the password and with certificates of authorities, as PEM. */
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly realmHosts: readonly string[];
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
const tokenBytesMax = 1024 * 1024;

export class RegistryClient {
  readonly #authorizer: Authorizer;
  /** What was last let in for a path's kind of access. */
  readonly #authorizations = new Map<string, string>();

  private constructor(
    readonly options: ClientOptions,
    readonly agent: Agent,
    credentials: Credentials | undefined,
  ) {
    this.#authorizer = new Authorizer({
      registry: options.url,
      credentials,
      realmHosts: options.realmHosts,
      fetchJson: async (url, headers) => {
        const answer = await this.#patiently(url, "GET", headers);
        const body = await bodyOf(answer, tokenBytesMax, url.host);
        if (answer.statusCode === 200) return jsonOf(body, url.host);
        throw new SourceError(`the token server ${url.host} answers ${answer.statusCode}`);
      },
    });
  }

  static async open(options: ClientOptions): Promise<RegistryClient> {
    const { username, passwordFile, caFile, connections } = options;
    const ca = caFile === undefined ? undefined : await readFile(caFile, "utf8");
    const agent = new Agent({ connections, ...(ca !== undefined && { connect: { ca } }) });
    const password =
      passwordFile === undefined ? "" : (await readFile(passwordFile, "utf8")).replace(/\r?\n$/, "");
    return new RegistryClient(options, agent, username === undefined ? undefined : { username, password });
  }

  close(): Promise<void> {
    return this.agent.destroy();
  }

  /** The answer to a request of `repository`'s, `""` for the registry's own. Its body is the caller's to read or dump. */
  async request(
    repository: string,
    path: string,
    headers: Headers = {},
    method: "GET" | "HEAD" = "GET",
  ): Promise<Answer> {
    const url = new URL(path, this.options.url);
    if (url.origin !== this.options.url.origin)
      throw new SourceError(`${this.options.url.host} leads to ${url.host}`);
    let authorization = this.#authorizations.get(repository);
    for (let asked = 0; ; asked++) {
      const answer = await this.#followed(url, method, {
        ...headers,
        ...(authorization !== undefined && { Authorization: authorization }),
      });
      const challenge = answer.statusCode === 401 && asked < 2 ? challengeOf(answer) : undefined;
      if (challenge === undefined) return answer;
      await answer.body.dump();
      authorization = await this.#authorizer.answer(challenge, authorization);
      this.#authorizations.set(repository, authorization);
    }
  }

  /** Redirects lead to where a registry keeps its blobs; what the registry lets us in by does not go there. */
  async #followed(start: URL, method: "GET" | "HEAD", headers: Headers): Promise<Answer> {
    let url = start;
    for (let redirects = 0; ; redirects++) {
      const { Authorization, ...others } = headers;
      const answer = await this.#patiently(url, method, url.origin === start.origin ? headers : others);
      const location = redirectStatuses.has(answer.statusCode) ? answer.headers.location : undefined;
      if (typeof location !== "string") return answer;
      await answer.body.dump();
      const next = new URL(location, url);
      if (redirects >= redirectsMax) throw new SourceError(`${start.host} redirects without an end`);
      if (next.protocol !== "https:" && next.protocol !== start.protocol)
        throw new SourceError(`${start.host} redirects to ${next.host} without TLS`);
      url = next;
    }
  }

  async #patiently(url: URL, method: "GET" | "HEAD", headers: Headers): Promise<Answer> {
    for (let tries = 1; ; tries++) {
      const milliseconds = firstPauseMilliseconds * 2 ** (tries - 1);
      let wait = milliseconds;
      try {
        const { signal } = this.options;
        const answer = await request(url, { method, headers, signal, dispatcher: this.agent });
        if (!busyStatuses.has(answer.statusCode) || tries === triesMax) return answer;
        const after = Number(answer.headers["retry-after"]);
        if (after > 0) wait = Math.min(after, retryAfterSecondsMax) * 1000;
        await answer.body.dump();
      } catch (error) {
        if (this.options.signal.aborted) throw error;
        if (tries === triesMax || !isPassing(error))
          throw new SourceError(`${url.host} cannot be asked`, { cause: error });
      }
      await pause(wait, undefined, { signal: this.options.signal });
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
