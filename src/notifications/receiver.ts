/**
 * The HTTP side of a webhook: posts an envelope, and says whether it was taken. It has a connection to one origin
 * and no other, so that nothing the receiver answers can send the events, or the secrets in the headers, elsewhere.
 */
import { Client, type Dispatcher } from "undici";

export interface ReceiverOptions {
  /** With a name and a password in it where the receiver wants such. */
  readonly url: URL;
  /** Secrets among them. */
  readonly headers: Readonly<Record<string, string[]>>;
  readonly contentType: string;
  /** All the time that it may take, connecting included. */
  readonly secondsMax: number;
  /** Told of the first redirect to another place, or by another method: it is not followed. */
  readonly onRedirect: (location: string) => void;
}

/** Redirects that keep method and body (RFC 9110, sections 15.4.8 and 15.4.9). */
const followed = new Set([307, 308]);
const redirectsMax = 5;

/** Of an answer, which nobody reads; behind a longer one the connection is not used again. */
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

  /** Resolves where the answer is 2xx or 3xx, as CNCF distribution has it. */
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
      if (statusCode < 200 || statusCode >= 400) throw new Error(`the answer is ${statusCode}`);
      at = this.#leadsTo(answer, at);
      if (at === undefined) return;
    }
    throw new Error("it redirects without an end");
  }

  /** Where the envelope has to go instead, if that is on the same origin. */
  #leadsTo({ statusCode, headers: { location } }: Dispatcher.ResponseData, at: URL): URL | undefined {
    if (statusCode < 300 || typeof location !== "string" || !URL.canParse(location, at.href))
      return undefined;
    const next = new URL(location, at);
    if (followed.has(statusCode) && next.origin === at.origin) return next;
    if (!this.#redirectTold) this.options.onRedirect(next.origin);
    this.#redirectTold = true;
    return undefined;
  }

  /** Ends what is under way, which is then not taken. */
  close(): Promise<void> {
    return this.#client.destroy();
  }
}

/** What Go's client, and so CNCF distribution, makes of a name and a password in a URL. */
function authorizationIn({ username, password }: URL): Record<string, string> {
  if (username === "" && password === "") return {};
  const text = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { Authorization: `Basic ${Buffer.from(text).toString("base64")}` };
}
