/** Opens the audit log. Part of the composition root. */
import { type Logger, pino } from "pino";
import { RegistryError } from "../domain/errors.js";
import type { AuditGate, Observer } from "../http/app.js";
import { CountedLines } from "../lib/counted-lines.js";
import { LineWriter } from "../lib/line-writer.js";
import { type AuditRecord, audit, isAudited } from "../observe/audit.js";
import { FileTarget } from "../observe/file-target.js";
import type { StandardStream } from "../observe/standard-streams.js";
import { escaped } from "./log.js";
import type { LogOpening } from "./opening.js";

export interface OpenedAudit {
  readonly observer: Observer;
  /** Absent if requests continue while no line can be written. */
  readonly gate: AuditGate | undefined;
  readonly lines: CountedLines;
}

interface Destination {
  readonly writer: LineWriter;
  close(): Promise<void>;
}

const standard: Readonly<Record<string, StandardStream>> = { stdout: "output", stderr: "error" };

/** A minute of two hundred pushes a second, or some seconds of a flood of refused logins. */
const waitingBytesMax = 4 * 1024 * 1024;

/** Status of `audit-unwritable`: such a request had no effect, so its line is not missing. */
const refusalStatus = 503;

const closeMillisecondsMax = 2_000;

/** Returns undefined if there is no audit log. Rejects if its file cannot be opened. */
export async function openAudit(
  { config, log, closers, streams }: LogOpening,
  isProtected: boolean,
): Promise<OpenedAudit | undefined> {
  const { to, pulls, onfailure } = config.audit;
  const target = to === "auto" ? (isProtected ? "stderr" : "off") : to;
  if (target === "off") return undefined;
  const stream = standard[target];
  const { writer, close } =
    stream === undefined
      ? await openFile(target, log)
      : { writer: streams.writer(stream), close: async () => {} };
  const lines = new CountedLines(writer, {
    onDropping: () => log.error("the audit log cannot be written and its buffer is full: dropping its lines"),
    onDropped: (dropped) => log.error({ dropped }, "audit log lines were dropped"),
  });
  const unwatch = writer.watch({
    onBroken: (error) => log.error({ to: target, err: error }, "the audit log cannot be written"),
    onMended: () => log.info({ to: target }, "the audit log can be written again"),
  });
  const records = pino({ base: { log: "audit" }, timestamp: pino.stdTimeFunctions.isoTime }, escaped(lines));
  const refuses = onfailure === "refuse";
  const write = (record: AuditRecord) => {
    // The remaining room is for requests that were admitted before.
    if (!refuses || writer.isReady || record.outcome === "granted") records.info(record);
    else if (record.status !== refusalStatus) lines.drop(1);
  };
  // Resolves when all lines are written, or after a time limit.
  closers.add("audit log", async () => {
    unwatch();
    lines.close();
    await close();
  });
  return {
    observer: audit({ pulls, write }),
    gate: refuses ? gateOf(writer, pulls) : undefined,
    lines,
  };
}

/** Refuses a request that would be logged, before it takes effect. */
function gateOf(writer: LineWriter, pulls: boolean): AuditGate {
  return (route, method) => {
    if (isAudited(route, method, { pulls }) && !writer.isReady)
      throw new RegistryError("audit-unwritable", "the audit log cannot be written: try again later");
  };
}

async function openFile(path: string, log: Logger): Promise<Destination> {
  const target = await FileTarget.open(path);
  const writer = new LineWriter(target, waitingBytesMax);
  const reopen = () => {
    try {
      target.reopen();
    } catch (error) {
      log.error({ to: path, err: error }, "the audit log cannot be reopened: the previous file stays in use");
    }
  };
  const writeAtExit = () => writer.writeAtExit();
  process.on("SIGHUP", reopen).once("exit", writeAtExit);
  return {
    writer,
    close: async () => {
      process.off("SIGHUP", reopen).off("exit", writeAtExit);
      if (await writer.settled(closeMillisecondsMax)) target.close();
      else log.error({ to: path }, "the last lines of the audit log could not be written");
    },
  };
}
