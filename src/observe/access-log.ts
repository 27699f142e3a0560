/**
 * The access log: a line of JSON for each request, with who asked for what, bytes both ways and the times of its
 * stages. Made of named fields only, so that no query, body or credential can get into it.
 *
 * Lines have pino's form and are put together here: pino goes through an object's fields anew for each, and an answer
 * from memory takes some 12 us in all (docs/decisions/0025).
 */
import type { Exchange } from "../http/exchange.js";
import { escapeJsonLine } from "../lib/control-characters.js";
import { LinePieces } from "./line-pieces.js";

export interface AccessLogOptions {
  /** The names are pino's, or Logstash's. */
  readonly names: "pino" | "logstash";
  /** What every line has beside. */
  readonly fields: Readonly<Record<string, string>>;
  readonly write: (line: string) => void;
}

/** Kept, since to ask for it costs as much as the time itself. */
const { timeOrigin } = performance;

/** An observer of requests. Those for whether the server lives are not worth a line. */
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
    // A busy server has some seventy lines of one millisecond.
    if (now !== time) [time, beginning] = [now, `{${begin(now)},${always},"id":"`];
    let line = `${beginning}${exchange.id}"${pieces.what(exchange)}${pieces.who(exchange)}`;
    // By the name that OpenTelemetry gives it in logs.
    if (exchange.trace !== undefined) line += `,"trace_id":"${exchange.trace.id}"`;
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

/** Nobody looks for time where there is less. */
const stageMillisecondsMin = 0.1;

function stage(name: string, spent: number): string {
  return spent < stageMillisecondsMin ? "" : `,"${name}":${milliseconds(spent)}`;
}

const thousandths = Array.from({ length: 1000 }, (_, index) => String(index).padStart(3, "0"));

/** With three decimals: a fraction that is made of whole numbers costs a third of one that is printed. */
function milliseconds(spent: number): string {
  const microseconds = Math.round(spent * 1000);
  return `${Math.trunc(microseconds / 1000)}.${thousandths[microseconds % 1000]}`;
}
