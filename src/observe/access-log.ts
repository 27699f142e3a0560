/**
 * The access log: a line of JSON for each request, with caller, target, bytes in both directions and the times of its
 * phases. It contains named fields only, so that no query, body or credential can get into it.
 *
 * Lines have pino's form but are built here: pino walks an object's fields for every line, and a whole response from memory
 * takes only about 12 us (docs/decisions/0025).
 */
import type { Exchange } from "../http/exchange.js";
import { escapeJsonLine } from "../lib/control-characters.js";
import { LinePieces } from "./line-pieces.js";

export interface AccessLogOptions {
  /** The names are pino's, or Logstash's. */
  readonly names: "pino" | "logstash";
  /** Additional fields of every line. */
  readonly fields: Readonly<Record<string, string>>;
  readonly write: (line: string) => void;
}

/** Cached: reading it costs as much as reading the time. */
const { timeOrigin } = performance;

/** Returns an observer of requests. It skips health checks. */
export function accessLog({ names, fields, write }: AccessLogOptions): (exchange: Exchange) => void {
  const begin = names === "logstash" ? logstashBegin : pinoBegin;
  const version = names === "logstash" ? { "@version": "1" } : {};
  const always = escapeJsonLine(JSON.stringify({ ...version, log: "access", ...fields })).slice(1, -1);
  const pieces = new LinePieces();
  let [time, beginning] = [0, ""];
  return (exchange) => {
    const { incoming, startedAt, endedAt, body } = exchange;
    if (incoming.route?.action === "public") return;
    const now = Math.trunc(timeOrigin + endedAt);
    // Reuse the prefix: a busy server writes about seventy lines per millisecond.
    if (now !== time) [time, beginning] = [now, `{${begin(now)},${always},"id":"`];
    let line = `${beginning}${exchange.id}"${pieces.what(exchange)}${pieces.who(exchange)}`;
    // OpenTelemetry's name for it in logs.
    if (exchange.trace !== undefined) line += `,"trace_id":"${exchange.trace.id}"`;
    if (exchange.mirrored?.result !== undefined) line += `,"cache":"${exchange.mirrored.result}"`;
    if (body !== undefined) line += `,"received":${body.received}`;
    line += `,"sent":${exchange.sent},"ms":${milliseconds(endedAt - startedAt)}`;
    if (endedAt - startedAt >= stageMillisecondsMin) line += spans(exchange);
    write(exchange.aborted ? `${line},"aborted":true}\n` : `${line}}\n`);
  };
}

function pinoBegin(time: number): string {
  return `"level":30,"time":${time}`;
}

function logstashBegin(time: number): string {
  return `"level":"info","@timestamp":"${new Date(time).toISOString()}"`;
}

function spans(exchange: Exchange): string {
  const { startedAt, endedAt, body } = exchange;
  const admittedAt = exchange.admittedAt || startedAt;
  const receivedAt = Math.max(admittedAt, body?.endedAt ?? 0);
  const answeredAt = exchange.answeredAt || endedAt;
  return (
    stage("loginMs", admittedAt - startedAt) +
    stage("bodyMs", receivedAt - admittedAt) +
    stage("workMs", answeredAt - receivedAt) +
    stage("sendMs", endedAt - answeredAt)
  );
}

/** Shorter phases are omitted. */
const stageMillisecondsMin = 0.1;

function stage(name: string, spent: number): string {
  return spent < stageMillisecondsMin ? "" : `,"${name}":${milliseconds(spent)}`;
}

const thousandths = Array.from({ length: 1000 }, (_, index) => String(index).padStart(3, "0"));

/** Formats three decimals from integers, which costs a third of formatting a fraction. */
function milliseconds(spent: number): string {
  const microseconds = Math.round(spent * 1000);
  return `${Math.trunc(microseconds / 1000)}.${thousandths[microseconds % 1000]}`;
}
