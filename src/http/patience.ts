/**
 * How long a client may be silent. By itself uWebSockets.js drops a connection that moves less than
 * 16 KiB a second for ten seconds, which a sender who reads from a busy disk, or a reader on a thin line,
 * does not deserve. Here one timer keeps those who are waited for, until they have moved nothing for long.
 */
import type { HttpResponse } from "uWebSockets.js";

export interface PatienceOptions {
  /** Seconds without a byte of a request's body. */
  readonly senderSeconds: number;
  /** Seconds in which a client takes too little of a response for more to be written. */
  readonly readerSeconds: number;
}

/** The first as nginx has it; the second longer, since megabytes wait in the kernel before one is seen to take any. */
export const defaultPatience: PatienceOptions = { senderSeconds: 60, readerSeconds: 180 };

/** Well within the ten seconds of uWebSockets.js, which counts in steps of four. */
const lookEverySeconds = 4;

export class Wait {
  /** Set whenever the client has moved. */
  moved = true;
  /** Set while it is us who let the client wait. */
  held = false;
  movedAt = 0;

  constructor(
    readonly response: HttpResponse,
    readonly seconds: number,
    readonly waits: Set<Wait>,
  ) {
    waits.add(this);
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

  forReader(response: HttpResponse): Wait {
    return new Wait(response, this.options.readerSeconds, this.#waits);
  }

  #look(now: number): void {
    for (const wait of this.#waits) {
      if (wait.moved || wait.held) {
        wait.moved = false;
        wait.movedAt = now;
      }
      if (now - wait.movedAt >= wait.seconds * 1000) {
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
