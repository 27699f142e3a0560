/**
 * One request to the store and its whole answer, by undici's dispatch. Its `request` makes a stream of each body, and a signal
 * of each timeout, which took a tenth of the CPU time of small pushes.
 */
import type { Dispatcher } from "undici";
import { answerTooLarge, S3Failure } from "./failure.js";

/** Header names are in lower case. Of several headers with one name, the last one counts. */
export type AnswerHeaders = Readonly<Record<string, string | undefined>>;

export interface Answer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly bytes: Buffer;
}

export interface AnswerLimits {
  /** Maximum time until the whole answer is here. Without `into`, it has the time of its bytes in addition. */
  readonly milliseconds: number;
  /** Returns the time that so many bytes may take. */
  readonly millisecondsOf: (bytes: number) => number;
  /** Called when the answer begins. */
  readonly onAnswer: () => void;
  /** Receives the bytes of an answer with status 200 or 206, which may not have more. */
  readonly into: Uint8Array | undefined;
  /** Maximum bytes of an answer with status 200 or 206. */
  readonly bytesMax: number;
  /** Maximum bytes of any other answer. */
  readonly errorBytesMax: number;
}

/** The request was not answered in time. */
export class AnswerLate extends Error {}

/** Sends a request. Rejects with `AnswerLate`, with an `S3Failure` for a large answer, or with undici's errors. */
export function exchange(
  dispatcher: Dispatcher,
  request: Dispatcher.DispatchOptions,
  limits: AnswerLimits,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    dispatcher.dispatch(request, new Receiver(limits, resolve, reject));
  });
}

class Receiver implements Dispatcher.DispatchHandlers {
  #timer: NodeJS.Timeout;
  #abort: ((reason?: Error) => void) | undefined;
  /** Once set, nothing is received any more: the caller may use its memory again. */
  #failure: Error | undefined;
  #status = 0;
  #headers: AnswerHeaders = {};
  #chunks: Buffer[] = [];
  #length = 0;

  constructor(
    readonly limits: AnswerLimits,
    readonly resolve: (answer: Answer) => void,
    readonly reject: (error: Error) => void,
  ) {
    this.#timer = this.#failAfter(limits.milliseconds);
  }

  #failAfter(milliseconds: number): NodeJS.Timeout {
    return setTimeout(() => this.#fail(new AnswerLate("the store did not answer in time")), milliseconds);
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort;
    if (this.#failure !== undefined) abort(this.#failure);
  }

  onHeaders(status: number, headers: Buffer[]): boolean {
    // An informational answer comes before the real one.
    if (status < 200) return true;
    this.#status = status;
    this.#headers = textsOf(headers);
    const { milliseconds, millisecondsOf, onAnswer, into, bytesMax } = this.limits;
    onAnswer();
    if (this.#failure === undefined && this.#isObject && into === undefined) {
      // Only now the number of bytes is known.
      const bytes = Math.min(bytesMax, Number(this.#headers["content-length"] ?? 0));
      clearTimeout(this.#timer);
      this.#timer = this.#failAfter(milliseconds + millisecondsOf(bytes));
    }
    return true;
  }

  onData(chunk: Buffer): boolean {
    if (this.#failure !== undefined) return false;
    const { into, bytesMax, errorBytesMax } = this.limits;
    const target = this.#isObject ? into : undefined;
    const max = target?.length ?? (this.#isObject ? bytesMax : errorBytesMax);
    if (this.#length + chunk.length > max) {
      this.#fail(new S3Failure("the store sent more than was asked for", { code: answerTooLarge }));
      return false;
    }
    if (target === undefined) this.#chunks.push(chunk);
    else target.set(chunk, this.#length);
    this.#length += chunk.length;
    return true;
  }

  onComplete(): void {
    clearTimeout(this.#timer);
    if (this.#failure !== undefined) return;
    const { into } = this.limits;
    const bytes =
      this.#isObject && into !== undefined
        ? Buffer.from(into.buffer, into.byteOffset, this.#length)
        : Buffer.concat(this.#chunks, this.#length);
    this.resolve({ status: this.#status, headers: this.#headers, bytes });
  }

  onError(error: Error): void {
    this.#fail(error);
  }

  get #isObject(): boolean {
    return this.#status === 200 || this.#status === 206;
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    clearTimeout(this.#timer);
    this.#failure = error;
    this.reject(error);
    this.#abort?.(error);
  }
}

function textsOf(headers: readonly Buffer[]): AnswerHeaders {
  const texts: Record<string, string | undefined> = {};
  for (let at = 0; at + 1 < headers.length; at += 2)
    texts[String(headers[at]?.toString("latin1")).toLowerCase()] = headers[at + 1]?.toString("latin1");
  return texts;
}
