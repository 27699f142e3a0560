/** Reports the use of each client to the other processes, so that the limits of one client hold over all. */
import type { Peer } from "../../cluster/socket/peer.js";
import { SharedLimits, type UseReport } from "../../lib/shared-limits.js";

/** Between two reports of a process. A client may exceed a limit by what it begins elsewhere within this time. */
const pauseMilliseconds = 25;

export class ReportedLimits extends SharedLimits {
  #reportedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly number: number,
    count: number,
    readonly peer: Peer,
  ) {
    super(count);
    peer.handlers.on("use", ({ process, isNew, report }) => {
      if (isNew) {
        this.forget(process);
        this.reportAgain();
      }
      this.receive(process, report);
      return null;
    });
  }

  override onDue = (): void => {
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#reportedAt + pauseMilliseconds - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#reportedAt = performance.now();
      this.#tell(this.number, this.report(), false);
    }, wait).unref();
  };

  /** Makes the others report what they know. Call it when all limits are open. */
  begin(): void {
    this.#tell(this.number, {}, true);
  }

  /** Forgets the use at a process that has ended, here and at the others. */
  end(number: number): void {
    this.forget(number);
    this.#tell(number, {}, true);
  }

  #tell(process: number, report: UseReport, isNew: boolean): void {
    if (!isNew && Object.keys(report).length === 0) return;
    this.peer.tell("others", { kind: "use", process, isNew, report });
  }
}
