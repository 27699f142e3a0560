/** Requests to the login server, with bounded time and size, in the form that `openid-client` uses. */
import { boundedRequest } from "../../lib/bounded-request.js";

/** Answers have a few KiB; groups of a large company in a token, tens. */
const bytesMax = 512 * 1024;

/** Of one request. A person waits. */
export const requestSecondsMax = 5;

/** The login server could not be reached, or its response could not be read. */
export class ProviderUnreachable extends Error {
  override readonly name = "ProviderUnreachable";
}

interface Sent {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** Statuses whose responses have no body. */
const bodiless: ReadonlySet<number> = new Set([204, 205, 304]);

/** Returns a function like `fetch`. It rejects with `ProviderUnreachable`, and never follows a redirect. */
export function providerFetch(ca: string | undefined) {
  return async (url: string, { method, headers, body }: Sent): Promise<Response> => {
    const signal = AbortSignal.timeout(1000 * requestSecondsMax);
    const text = body instanceof URLSearchParams || typeof body === "string" ? String(body) : "";
    const answer = await boundedRequest(new URL(url), {
      method,
      headers,
      body: text,
      ca,
      signal,
      bytesMax,
    }).catch((cause: unknown) => {
      const { origin } = new URL(url);
      const why = signal.aborted ? `does not answer within ${requestSecondsMax} s` : "cannot be reached";
      throw new ProviderUnreachable(`the login server ${origin} ${why}`, { cause });
    });
    const type = answer.headers["content-type"];
    return new Response(bodiless.has(answer.status) ? null : new Uint8Array(answer.body), {
      status: answer.status,
      headers: type === undefined ? {} : { "Content-Type": type },
    });
  };
}
