/** Sums up the times that the workers report for the tasks of one body. A large body has thousands, and they overlap. */
import type { Spans } from "../lib/spans.js";
import type { UploadTimes } from "../storage/storage.js";

/** The times of one stage in all tasks. */
class Part {
  #from = Number.POSITIVE_INFINITY;
  #to = 0;
  #busy = 0;
  #tasks = 0;

  add(from: number, to: number): void {
    if (to <= from) return;
    this.#from = Math.min(this.#from, from);
    this.#to = Math.max(this.#to, to);
    this.#busy += to - from;
    this.#tasks++;
  }

  /** Records one span from the first to the last task, with the busy time as an attribute. */
  tell(name: string, spans: Spans): void {
    if (this.#tasks > 0)
      spans.passed(name, this.#from, this.#to, { tasks: this.#tasks, busy_ms: this.#busy });
  }
}

export class BodyTimes {
  readonly #queue = new Part();
  readonly #open = new Part();
  readonly #hash = new Part();
  readonly #write = new Part();
  readonly #sync = new Part();
  readonly #link = new Part();

  /** `sentAt` is the time at which the task was sent to the workers. */
  add(sentAt: number, { startedAt, openedAt, hashedAt, writtenAt, syncedAt, placedAt }: UploadTimes): void {
    this.#queue.add(sentAt, startedAt);
    this.#open.add(startedAt, openedAt);
    this.#hash.add(openedAt, hashedAt);
    this.#write.add(openedAt, writtenAt);
    if (syncedAt === undefined) return;
    this.#sync.add(Math.max(hashedAt, writtenAt), syncedAt);
    if (placedAt !== undefined) this.#link.add(syncedAt, placedAt);
  }

  tell(spans: Spans): void {
    this.#queue.tell("queue", spans);
    this.#open.tell("open", spans);
    this.#hash.tell("hash", spans);
    this.#write.tell("write", spans);
    this.#sync.tell("sync", spans);
    this.#link.tell("link", spans);
  }
}
