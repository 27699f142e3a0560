/**
 * The HTTP side of a webhook: posts envelopes. It connects to one origin only, so that no response of the receiver can send
 * the events, or the secrets in the headers, elsewhere.
 */
import { Client, type Dispatcher } from "undici";

export interface ReceiverOptions {
  /** May contain a user name and password. */
  readonly url: URL;
  /** May contain secrets. */
  readonly headers: Readonly<Record<string, string[]>>;
  readonly contentType: string;
  /** Time limit of an attempt, including connecting. */
  readonly secondsMax: number;
  /** Called for the first redirect to another origin or by another method, which is not followed. */
  readonly onRedirect: (location: string) => void;
}

/** Redirects that keep method and body (RFC 9110, sections 15.4.8 and 15.4.9). */
const followed = new Set([307, 308]);
const redirectsMax = 5;

/** Maximum bytes of a response, which is discarded. After a longer one, the connection is not reused. */
const answerBytesMax = 64 * 1024;

export class Receiver {
  readonly #client: Client;
  readonly #headers: Readonly<Record<string, string | string[]>>;
  #redirectTold = false;

  constructor(readonly options: ReceiverOptions) {
    const { url, headers, contentType } = options;
    this.#client = new Client(url.origin);
    const isAuthorized = Object.keys(headers).some((name) => name.toLowerCase() === "authorization");
    this.#headers = {
      ...(isAuthorized ? {} : authorizationIn(url)),
      ...headers,
      "Content-Type": contentType,
    };
  }

  /** Resolves if the response is 2xx or 3xx, as in CNCF distribution. */
  async post(body: Buffer): Promise<void> {
    const { url, secondsMax } = this.options;
    const signal = AbortSignal.timeout(Math.ceil(secondsMax * 1000));
    let at: URL | undefined = url;
    for (let redirects = 0; redirects <= redirectsMax; redirects++) {
      const answer = await this.#client.request({
        method: "POST",
        path: at.pathname + at.search,
        headers: this.#headers,
        body,
        signal,
      });
      await answer.body.dump({ limit: answerBytesMax });
      const { statusCode } = answer;
      if (statusCode < 200 || statusCode >= 400) throw new Error(`the response status is ${statusCode}`);
      at = this.#leadsTo(answer, at);
      if (at === undefined) return;
    }
    throw new Error("too many redirects");
  }

  /** Returns the redirect target if it is on the same origin. */
  #leadsTo({ statusCode, headers: { location } }: Dispatcher.ResponseData, at: URL): URL | undefined {
    if (statusCode < 300 || typeof location !== "string" || !URL.canParse(location, at.href))
      return undefined;
    const next = new URL(location, at);
    if (followed.has(statusCode) && next.origin === at.origin) return next;
    if (!this.#redirectTold) this.options.onRedirect(next.origin);
    this.#redirectTold = true;
    return undefined;
  }

  /** Aborts the current attempt, which then fails. */
  close(): Promise<void> {
    return this.#client.destroy();
  }
}

/** Converts a name and password in a URL to Basic credentials, like Go's client in CNCF distribution. */
function authorizationIn({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { Authorization: `Basic ${Buffer.from(text).toString("base64")}` };
}
