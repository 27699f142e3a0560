/** Opens what the audit log is written to. Part of the composition root. */
import { type Logger, pino } from "pino";
import type { Config } from "./config/config.js";
import type { Observer } from "./http/app.js";
import { audit } from "./observe/audit.js";

export interface OpenedAudit {
  /** Absent where nothing is to be written. */
  readonly observer: Observer | undefined;
  close(): void;
}

const standard: Readonly<Record<string, 1 | 2>> = { stdout: 1, stderr: 2 };

/** Throws where the file cannot be opened. */
export function openAudit({ to, pulls }: Config["audit"], isProtected: boolean, log: Logger): OpenedAudit {
  const target = to === "auto" ? (isProtected ? "stderr" : "off") : to;
  if (target === "off") return { observer: undefined, close: () => {} };
  const destination = pino.destination({
    dest: standard[target] ?? target,
    append: true,
    mkdir: true,
    // A line that was written is not lost with the process.
    sync: true,
  });
  destination.on("error", (error) => log.error({ err: error }, "the audit log cannot be written"));
  const lines = pino({ base: { log: "audit" }, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  const reopen = () => destination.reopen();
  if (standard[target] === undefined) process.on("SIGHUP", reopen);
  return {
    observer: audit({ pulls, write: (record) => lines.info(record) }),
    close: () => {
      process.removeListener("SIGHUP", reopen);
      destination.flushSync();
      if (standard[target] === undefined) destination.end();
    },
  };
}
