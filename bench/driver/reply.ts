/**
 * Parses HTTP/1.1 replies with a Content-Length, and small ones in chunks, which Angos sends. Anything else is an error: a
 * load driver that guesses measures something else.
 */

export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export interface ReplyHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Header bytes in the buffer, including the empty line. */
  readonly headBytes: number;
  readonly contentLength: number;
  readonly isChunked: boolean;
}

const noBody: Buffer = Buffer.alloc(0);
const headBytesMax = 64 * 1024;

/** Returns the headers at the start of `received`, or undefined while they are incomplete. */
export function parseHead(received: Buffer): ReplyHead | undefined {
  const end = received.indexOf("\r\n\r\n");
  if (end < 0) {
    if (received.length > headBytesMax) {
      throw new Error("the headers of a reply do not end");
    }
    return undefined;
  }
  const [statusLine = "", ...lines] = received.toString("latin1", 0, end).split("\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1]);
  if (Number.isNaN(status)) {
    throw new Error(`not a status line: ${statusLine}`);
  }
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  return {
    status,
    headers,
    headBytes: end + 4,
    contentLength: Number(headers.get("content-length") ?? 0),
    isChunked: headers.has("transfer-encoding"),
  };
}

interface ReplyBody {
  readonly bytes: Buffer;
  /** Offset behind it in the buffer. */
  readonly end: number;
}

/** Returns the chunked body from `start` on, without trailers, or undefined while it is incomplete. */
function chunkedBody(received: Buffer, start: number): ReplyBody | undefined {
  const chunks: Buffer[] = [];
  for (let at = start; ; ) {
    const lineEnd = received.indexOf("\r\n", at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(received.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error("not the size of a chunk");
    const data = lineEnd + 2;
    at = data + size + 2;
    if (received.length < at) return undefined;
    if (size === 0) return { bytes: Buffer.concat(chunks), end: at };
    chunks.push(received.subarray(data, data + size));
  }
}

function plainBody(received: Buffer, start: number, length: number): ReplyBody | undefined {
  const end = start + length;
  return received.length < end ? undefined : { bytes: received.subarray(start, end), end };
}

/** Parses one reply at a time from a connection; nothing is pipelined. */
export class ReplyReader {
  #received: Buffer = noBody;
  #head: ReplyHead | undefined;

  /** Returns the finished reply, or undefined while bytes are missing. A reply to HEAD has no body. */
  push(chunk: Buffer, answersHead: boolean): Reply | undefined {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    this.#head ??= parseHead(this.#received);
    if (this.#head === undefined) {
      return undefined;
    }
    const { status, headers, headBytes, contentLength, isChunked } = this.#head;
    const read =
      isChunked && !answersHead
        ? chunkedBody(this.#received, headBytes)
        : plainBody(this.#received, headBytes, answersHead ? 0 : contentLength);
    if (read === undefined) return undefined;
    const body = read.bytes;
    this.#received = this.#received.subarray(read.end);
    this.#head = undefined;
    // An interim reply (100 Continue) only announces the real one.
    return status < 200 ? this.push(noBody, answersHead) : { status, headers, body };
  }
}
