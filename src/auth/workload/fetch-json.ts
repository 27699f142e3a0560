/**
 * Fetches a small JSON document of an issuer, with bounded time and size. It follows no redirect, so that nobody can direct
 * it to an internal address.
 */
import { get as getOverHttp, type IncomingMessage } from "node:http";
import { get as getOverHttps } from "node:https";

/** Time limit, including connecting: a client is waiting. */
const millisecondsMax = 5_000;
/** Key sets have about 10 KB. */
const bytesMax = 256 * 1024;

export interface FetchOptions {
  /** CA certificates as PEM for the issuer; by default those of Node.js. */
  readonly ca: string | undefined;
}

/** Rejects unless the response is a 200 with JSON. */
export async function fetchJson(url: URL, { ca }: FetchOptions): Promise<unknown> {
  const signal = AbortSignal.timeout(millisecondsMax);
  const headers = { Accept: "application/json" };
  const text = await new Promise<string>((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => void read(answer).then(resolve, reject);
    // No agent: one request in ten minutes needs no connection kept.
    const request =
      url.protocol === "https:"
        ? getOverHttps(url, { agent: false, signal, headers, ...(ca !== undefined && { ca }) }, onAnswer)
        : getOverHttp(url, { agent: false, signal, headers }, onAnswer);
    request.on("error", reject);
  });
  return JSON.parse(text);
}

async function read(answer: IncomingMessage): Promise<string> {
  try {
    if (answer.statusCode !== 200) throw new Error(`the response status is ${answer.statusCode}`);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error(`the response has more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks).toString("utf8");
  } finally {
    answer.destroy();
  }
}
