/** Questions and answers over one socket, in both directions. */
import type { Duplex } from "node:stream";
import { describeError } from "../../lib/describe-error.js";
import { type Clocks, Frames } from "./frames.js";
import { type Asked, type Frame, parseFrame, type Question } from "./protocol.js";

/** The other end has closed the socket, so that it answers nothing any more. */
export class Gone extends Error {
  override readonly name = "Gone";
}

/** The other process has failed to answer. */
export class Failed extends Error {
  override readonly name = "Failed";
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface LinkEvents {
  /** Returns the answer. */
  readonly onAsked: (asked: Asked) => Promise<unknown>;
  readonly onClosed: () => void;
  /** Called with errors that no asker learns of. */
  readonly onError: (error: unknown) => void;
}

export class Link {
  readonly #frames: Frames;
  readonly #waiting = new Map<number, Waiting>();
  #numbers = 0;

  constructor(
    stream: Duplex,
    readonly clocks: Clocks,
    readonly events: LinkEvents,
  ) {
    this.#frames = new Frames(
      stream,
      clocks,
      (text) => this.#receive(text),
      () => {
        for (const { reject } of this.#waiting.values()) reject(new Gone("the other process has ended"));
        this.#waiting.clear();
        events.onClosed();
      },
    );
  }

  /** Messages sent, of which those of one turn travel together. */
  get sent(): number {
    return this.#frames.sent;
  }

  /** Rejects with `Gone` if the other end closes, and with `Failed` if it cannot answer. */
  ask(node: string, question: Question): Promise<unknown> {
    if (this.#frames.isClosed) return Promise.reject(new Gone("the other process has ended"));
    const number = ++this.#numbers;
    this.#frames.send(JSON.stringify({ number, node, question }));
    return new Promise((resolve, reject) => this.#waiting.set(number, { resolve, reject }));
  }

  tell(node: string, question: Question): void {
    this.#frames.send(JSON.stringify({ node, question }));
  }

  #receive(text: string): void {
    let frame: Frame;
    try {
      frame = parseFrame(text);
    } catch (error) {
      this.events.onError(error);
      this.close();
      return;
    }
    if (frame.clock.length > 0) this.clocks.clock?.raise(frame.clock);
    for (const message of frame.messages) {
      if ("question" in message) this.#answer(message);
      else this.#settle(message);
    }
  }

  #settle({
    answered,
    value,
    error,
  }: {
    answered: number;
    value?: unknown;
    error?: string | undefined;
  }): void {
    const waiting = this.#waiting.get(answered);
    this.#waiting.delete(answered);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Failed(error));
  }

  #answer(asked: Asked): void {
    const { number } = asked;
    this.events.onAsked(asked).then(
      (value) => {
        if (number !== undefined)
          this.#frames.send(JSON.stringify({ answered: number, value: value ?? null }));
      },
      (error: unknown) => {
        if (number === undefined) this.events.onError(error);
        else this.#frames.send(JSON.stringify({ answered: number, error: describeError(error) }));
      },
    );
  }

  /** Sends the waiting messages now. */
  flush(): void {
    this.#frames.flush();
  }

  close(): void {
    this.#frames.close();
  }
}
