/** Reads the responses of registries within bounds. */
import type { Dispatcher } from "undici";
import { SourceError } from "../source.js";
import { type Challenge, parseChallenge } from "./authorization.js";

export type Answer = Dispatcher.ResponseData;
export type Headers = Readonly<Record<string, string>>;

/** Bounds on what is read of a redirect's or error's body so that its connection can be used again. */
const discardedBytesMax = 64 * 1024;
const discardMilliseconds = 2_000;

/** Errors that a retry may avoid; an untrusted certificate is not among them. */
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

/** Whether the body has stopped. Chunk extensions and other framing are no part of it. */
export function isSilence(error: unknown): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === "UND_ERR_BODY_TIMEOUT";
}

/** Returns the first challenge that this client supports. */
export function challengeOf({ headers }: Answer): Challenge | undefined {
  const asked = headers["www-authenticate"];
  for (const header of Array.isArray(asked) ? asked : [asked ?? ""]) {
    const challenge = parseChallenge(header);
    if (challenge !== undefined) return challenge;
  }
  return undefined;
}

/** Returns 0 without a `Retry-After` in seconds. */
export function retryAfterSeconds({ headers }: Answer): number {
  const seconds = Number(headers["retry-after"]);
  return seconds > 0 ? seconds : 0;
}

/** Reads the body and drops it. Closes the connection if the body is long or slow. Never rejects. */
export async function discard({ body }: Answer): Promise<void> {
  const timer = setTimeout(() => body.destroy(), discardMilliseconds);
  await body.dump({ limit: discardedBytesMax }).catch(() => {});
  clearTimeout(timer);
}

/** Returns the whole body. Rejects if it is longer than `bytesMax`. */
export async function bodyOf(answer: Answer, bytesMax: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new SourceError(`the response to ${what} has more than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function jsonOf(body: Buffer, what: string): unknown {
  try {
    return JSON.parse(body.toString());
  } catch (error) {
    throw new SourceError(`the response to ${what} is not JSON`, { cause: error });
  }
}
