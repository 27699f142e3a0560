/**
 * How long a client may be silent. By itself uWebSockets.js drops a connection that moves less than
 * 16 KiB a second for ten seconds, which a sender who reads from a busy disk, or a reader on a thin line,
 * does not deserve. Here one timer keeps those who are waited for, until they have moved nothing for long.
 */
import type { HttpResponse } from "uWebSockets.js";

export interface PatienceOptions {
  /** Seconds without a byte of a request's body, `Infinity` for any time. */
  readonly senderSeconds: number;
  /**
   * Seconds in which a body that is kept in memory must have come whole, with one more for each `smallBytesPerSecond`
   * of it.
   */
  readonly smallBodySeconds: number;
  /** Seconds in which a client takes too little of a response for more to be written. */
  readonly readerSeconds: number;
}

/**
 * Senders are given long, as CNCF distribution gives them: BuildKit sends nothing of a layer while it compresses it. The
 * reader's time is long since megabytes wait in the kernel before one is seen to take any.
 */
export const defaultPatience: PatienceOptions = {
  senderSeconds: 3600,
  smallBodySeconds: 30,
  readerSeconds: 180,
};

/** Slower than any line that a manifest of megabytes is pushed over. */
const smallBytesPerSecond = 4096;

/** Well within the ten seconds of uWebSockets.js, which counts in steps of four. */
const lookEverySeconds = 4;

/** A request's body that is kept in memory until it is whole. */
interface SmallBody {
  readonly response: HttpResponse;
  /** Bytes that have come. */
  readonly received: number;
}

export class Wait {
  /** Set whenever the client has moved. */
  moved = true;
  /** Set while it is us who let the client wait. */
  held = false;
  movedAt = 0;
  readonly #beganAt = performance.now();

  /** `small`: a body that has to come whole within `smallBodySeconds`. */
  constructor(
    readonly response: HttpResponse,
    readonly seconds: number,
    readonly waits: Set<Wait>,
    readonly small?: { readonly body: SmallBody; readonly seconds: number },
  ) {
    waits.add(this);
  }

  isOver(now: number): boolean {
    if (now - this.movedAt >= this.seconds * 1000) return true;
    if (this.small === undefined) return false;
    const { body, seconds } = this.small;
    return now - this.#beganAt >= (seconds + body.received / smallBytesPerSecond) * 1000;
  }

  /** To be called before the response ends, and when the client has gone: then it may not be touched. */
  end(): void {
    this.waits.delete(this);
  }
}

export class Patience {
  readonly #waits = new Set<Wait>();
  readonly #timer = setInterval(() => this.#look(performance.now()), lookEverySeconds * 1000).unref();

  constructor(readonly options: PatienceOptions) {}

  forSender(response: HttpResponse): Wait {
    return new Wait(response, this.options.senderSeconds, this.#waits);
  }

  forSmallBody(body: SmallBody): Wait {
    const { senderSeconds, smallBodySeconds: seconds } = this.options;
    return new Wait(body.response, senderSeconds, this.#waits, { body, seconds });
  }

  forReader(response: HttpResponse): Wait {
    return new Wait(response, this.options.readerSeconds, this.#waits);
  }

  #look(now: number): void {
    for (const wait of this.#waits) {
      if (wait.moved || wait.held) {
        wait.moved = false;
        wait.movedAt = now;
      }
      if (wait.isOver(now)) {
        wait.end();
        wait.response.close();
      } else if (!wait.held) {
        // Starts the ten seconds of uWebSockets.js anew; it has no other way to that.
        wait.response.pause();
        wait.response.resume();
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
