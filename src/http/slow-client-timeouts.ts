/**
 * How long a client may be silent. By itself uWebSockets.js drops a connection that moves less than
 * 16 KiB a second for ten seconds, which a sender who reads from a busy disk, or a reader on a thin line,
 * does not deserve. Here one timer keeps those who are waited for, until they have moved nothing for long.
 */
import type { HttpResponse } from "uWebSockets.js";

export interface SlowClientTimeoutsOptions {
  /**
   * Seconds without a byte of a request's body, `Infinity` for any time. Senders are given long, as CNCF distribution gives
   * them: BuildKit sends nothing of a layer while it compresses it.
   */
  readonly senderSeconds: number;
  /**
   * Seconds in which a body that is kept in memory must have come whole, with one more for each `smallBytesPerSecond`
   * of it.
   */
  readonly smallBodySeconds: number;
  /**
   * Seconds in which a client takes too little of a response for more to be written. Long, since megabytes wait in the
   * kernel before one is seen to take any.
   */
  readonly readerSeconds: number;
}

/** Slower than any line that a manifest of megabytes is pushed over. */
const smallBytesPerSecond = 4096;

/** So that a body that has ended, and is misread, is soon noticed. */
const lookEverySeconds = 1;

/** Every so many looks: well within the ten seconds of uWebSockets.js, which counts in steps of four. */
const renewedEveryLooks = 4;

/** A request's body, as far as it is waited for. */
interface SentBody {
  readonly response: HttpResponse;
  /** Bytes that have come. */
  readonly received: number;
  /** Whether no more will come, though more is waited for; nothing has come for so long. */
  isMisread(silentMilliseconds: number): boolean;
  /** Ends the wait for such a body. */
  refuseMisread(): void;
}

interface Sending {
  readonly body: SentBody;
  /** Of a body that is kept in memory: when it has to be whole. */
  readonly secondsMax?: number;
}

export class Wait {
  /** Set whenever the client has moved. */
  moved = true;
  /** Set while it is us who let the client wait. */
  held = false;
  movedAt = 0;
  readonly #beganAt = performance.now();

  constructor(
    readonly response: HttpResponse,
    readonly seconds: number,
    readonly waits: Set<Wait>,
    readonly sending?: Sending,
  ) {
    waits.add(this);
  }

  isOver(now: number): boolean {
    if (now - this.movedAt >= this.seconds * 1000) return true;
    if (this.sending?.secondsMax === undefined) return false;
    const { body, secondsMax } = this.sending;
    return now - this.#beganAt >= (secondsMax + body.received / smallBytesPerSecond) * 1000;
  }

  /** To be called before the response ends, and when the client has gone: then it may not be touched. */
  end(): void {
    this.waits.delete(this);
  }
}

export class SlowClientTimeouts {
  readonly #waits = new Set<Wait>();
  #looks = 0;
  readonly #timer = setInterval(() => this.#look(performance.now()), lookEverySeconds * 1000).unref();

  constructor(readonly options: SlowClientTimeoutsOptions) {}

  /** `body` is refused where it is found that no more of it will come. */
  forSender(body: SentBody): Wait {
    return new Wait(body.response, this.options.senderSeconds, this.#waits, { body });
  }

  forSmallBody(body: SentBody): Wait {
    const { senderSeconds, smallBodySeconds: secondsMax } = this.options;
    return new Wait(body.response, senderSeconds, this.#waits, { body, secondsMax });
  }

  forReader(response: HttpResponse): Wait {
    return new Wait(response, this.options.readerSeconds, this.#waits);
  }

  #look(now: number): void {
    const isRenewed = ++this.#looks % renewedEveryLooks === 0;
    for (const wait of this.#waits) {
      if (wait.moved || wait.held) {
        wait.moved = false;
        wait.movedAt = now;
      } else if (wait.sending?.body.isMisread(now - wait.movedAt) === true) {
        wait.end();
        wait.sending.body.refuseMisread();
        continue;
      }
      if (wait.isOver(now)) {
        wait.end();
        wait.response.close();
      } else if (isRenewed && !wait.held) {
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
