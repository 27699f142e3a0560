/**
 * Disconnects silent clients. uWebSockets.js itself drops a connection that moves less than 16 KiB per second for ten
 * seconds, which would hit a sender with a busy disk or a reader on a slow link. Here one timer renews such connections until
 * they have moved no byte for the configured time.
 */
import type { HttpResponse } from "uWebSockets.js";

export interface SlowClientSettings {
  /**
   * Seconds without a byte of a request's body; `Infinity` for no limit. The default is long, as in CNCF distribution:
   * BuildKit sends nothing while it compresses a layer.
   */
  readonly senderSeconds: number;
  /**
   * Seconds to receive a whole body that is kept in memory, plus one for each `smallBytesPerSecond` of it.
   */
  readonly smallBodySeconds: number;
  /**
   * Seconds without progress in sending a response. Long, because megabytes wait in the kernel before a client's reading
   * becomes visible.
   */
  readonly readerSeconds: number;
}

/** Slower than any link over which a manifest of several megabytes is pushed. */
const smallBytesPerSecond = 4096;

/** Frequent enough to detect soon a body that has ended but is misread. */
const lookEverySeconds = 1;

/** Renewed every this many checks: well within the ten seconds of uWebSockets.js, which counts in steps of four. */
const renewedEveryLooks = 4;

/** The part of a request's body that the timer needs. */
interface SentBody {
  readonly response: HttpResponse;
  /** Bytes received so far. */
  readonly received: number;
  /** Whether the body is complete although uWebSockets.js waits for more, after `silentMilliseconds` of silence. */
  isMisread(silentMilliseconds: number): boolean;
  /** Ends the wait for such a body. */
  refuseMisread(): void;
}

interface Sending {
  readonly body: SentBody;
  /** For a body kept in memory: the time within which it must be complete. */
  readonly secondsMax?: number;
}

export class Wait {
  /** Set whenever the client has sent or read bytes. */
  moved = true;
  /** Set while the server makes the client wait. */
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

  /** Call it before the response ends and when the client has disconnected: the response may not be touched afterwards. */
  end(): void {
    this.waits.delete(this);
  }
}

export class SlowClientTimeouts {
  readonly #waits = new Set<Wait>();
  #looks = 0;
  readonly #timer = setInterval(() => this.#look(performance.now()), lookEverySeconds * 1000).unref();

  constructor(readonly options: SlowClientSettings) {}

  /** Starts a wait for a sender. Refuses `body` if it turns out to be misread. */
  forSender(body: SentBody): Wait {
    return new Wait(body.response, this.options.senderSeconds, this.#waits, { body });
  }

  forSmallBody(body: SentBody): Wait {
    const { senderSeconds, smallBodySeconds: secondsMax } = this.options;
    return new Wait(body.response, senderSeconds, this.#waits, { body, secondsMax });
  }

  /** Starts a wait of the client for this server, which has the whole body. It has no end of its own. */
  forWork(response: HttpResponse): Wait {
    return new Wait(response, Number.POSITIVE_INFINITY, this.#waits);
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
        // Restarts the ten seconds of uWebSockets.js; there is no other way.
        wait.response.pause();
        wait.response.resume();
      }
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
