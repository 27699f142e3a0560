/** One HTTP request whose small response is read as a whole, with bounded time and size. It follows no redirect. */
import { type IncomingMessage, request as requestOverHttp } from "node:http";
import { request as requestOverHttps } from "node:https";

export interface BoundedRequest {
  readonly method?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** CA certificates as PEM; by default those of Node.js. */
  readonly ca: string | undefined;
  /** Ends the request, including connecting. */
  readonly signal: AbortSignal;
  readonly bytesMax: number;
}

export interface BoundedAnswer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export function boundedRequest(url: URL, options: BoundedRequest): Promise<BoundedAnswer> {
  const { method = "GET", headers, body = "", ca, signal, bytesMax } = options;
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage) => void read(answer, bytesMax).then(resolve, reject);
    // No agent: a request in minutes needs no connection kept.
    const sent = { method, agent: false, signal, headers: { ...headers, ...lengthOf(body) } } as const;
    const request =
      url.protocol === "https:"
        ? requestOverHttps(url, { ...sent, ...(ca !== undefined && { ca }) }, onAnswer)
        : requestOverHttp(url, sent, onAnswer);
    request.on("error", reject);
    request.end(body);
  });
}

function lengthOf(body: string): Record<string, string> {
  return body === "" ? {} : { "Content-Length": String(Buffer.byteLength(body)) };
}

async function read(answer: IncomingMessage, bytesMax: number): Promise<BoundedAnswer> {
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error(`the response has more than ${bytesMax} bytes`);
      chunks.push(chunk);
    }
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) };
  } finally {
    answer.destroy();
  }
}
