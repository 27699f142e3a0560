/** Opens what the audit log is written to. Part of the composition root. */
import { type DestinationStream, type Logger, pino } from "pino";
import type { Config } from "./config/config.js";
import type { Observer } from "./http/app.js";
import { audit } from "./observe/audit.js";
import { LineFile } from "./observe/line-file.js";

export interface OpenedAudit {
  /** Absent where nothing is to be written. */
  readonly observer: Observer | undefined;
  close(): void;
}

interface Destination {
  readonly stream: DestinationStream;
  close(): void;
}

const standard: Readonly<Record<string, 1 | 2>> = { stdout: 1, stderr: 2 };

/** Throws where the file cannot be opened. */
export function openAudit({ to, pulls }: Config["audit"], isProtected: boolean, log: Logger): OpenedAudit {
  const target = to === "auto" ? (isProtected ? "stderr" : "off") : to;
  if (target === "off") return { observer: undefined, close: () => {} };
  const descriptor = standard[target];
  const { stream, close } = descriptor === undefined ? openFile(target, log) : openStandard(descriptor, log);
  const lines = pino({ base: { log: "audit" }, timestamp: pino.stdTimeFunctions.isoTime }, stream);
  return { observer: audit({ pulls, write: (record) => lines.info(record) }), close };
}

function openFile(path: string, log: Logger): Destination {
  const stream = new LineFile(path, {
    onBroken: (error) => log.error({ path, err: error }, "the audit log cannot be written"),
    onMended: (lost) => log.error({ path, lost }, "the audit log is written again, and lacks some lines"),
  });
  const reopen = () => stream.reopen();
  process.on("SIGHUP", reopen);
  return {
    stream,
    close: () => {
      process.removeListener("SIGHUP", reopen);
      stream.close();
    },
  };
}

/** A line that was written is not lost with the process; so there is nothing to flush. */
function openStandard(descriptor: 1 | 2, log: Logger): Destination {
  const stream = pino.destination({ dest: descriptor, sync: true });
  stream.on("error", (error) => log.error({ err: error }, "the audit log cannot be written"));
  return { stream, close: () => {} };
}
