/** Reports the use of each client to the other processes, so that the limits of one client hold over all. */
import { z } from "zod";
import { SharedLimits, type UseReport } from "../../lib/shared-limits.js";
import type { Calls } from "./calls.js";

/** Between two reports of a process. A client may exceed a limit by what it begins elsewhere within this time. */
const pauseMilliseconds = 25;

const useCall = "use";

const use = z.object({
  /** The number of the process at which the clients are. */
  process: z.number(),
  /** Whether that process knows nothing of the others yet. */
  isNew: z.boolean(),
  report: z.record(z.string(), z.array(z.tuple([z.string(), z.number()]).readonly()).readonly()),
});

export class ReportedLimits extends SharedLimits {
  #reportedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly number: number,
    count: number,
    readonly calls: Calls,
  ) {
    super(count);
    calls.answer(useCall, (payload) => {
      const { process, isNew, report } = use.parse(payload);
      if (isNew) {
        this.forget(process);
        this.reportAgain();
      }
      this.receive(process, report);
      return null;
    });
  }

  protected override onDue(): void {
    if (this.#timer !== undefined) return;
    const wait = Math.max(0, this.#reportedAt + pauseMilliseconds - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#reportedAt = performance.now();
      this.#tell(this.number, this.report(), false);
    }, wait).unref();
  }

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
    this.calls.tell(useCall, { process, isNew, report } satisfies z.input<typeof use>);
  }
}
