/**
 * The access log: a line of JSON for each request, with who asked for what, bytes both ways and the times of its
 * stages. Made of named fields only, so that no query, body or credential can get into it.
 *
 * Lines have pino's form and are put together here, in about 1 us: pino goes through an object's fields anew for each,
 * and an answer from memory takes some 12 us in all (`npm run bench -- --only logging`).
 */
import type { Exchange } from "../http/exchange.js";
import { methods } from "./methods.js";

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
  const version = names === "logstash" ? { "@version": "1" } : {};
  const always = JSON.stringify({ ...version, log: "access", ...fields }).slice(1, -1);
  const quotedAddress = remembering();
  const quotedAgent = remembering();
  return (exchange) => {
    const { incoming, startedAt, endedAt: now, identity, name, body } = exchange;
    if (incoming.route?.action === "public") return;
    const admittedAt = exchange.admittedAt || startedAt;
    const receivedAt = Math.max(admittedAt, body?.endedAt ?? 0);
    const answeredAt = exchange.answeredAt || now;
    const time = Math.trunc(timeOrigin + now);
    const head =
      names === "logstash"
        ? `{"level":"info","@timestamp":"${new Date(time).toISOString()}",`
        : `{"level":30,"time":${time},`;
    let line = `${head}${always},"id":"${exchange.id}","method":${method(incoming.method)},"path":${JSON.stringify(cut(incoming.path))}`;
    // By the name that OpenTelemetry gives it in logs.
    if (exchange.trace !== undefined) line += `,"trace_id":"${exchange.trace.id}"`;
    if (exchange.responded) line += `,"status":${exchange.status}`;
    if (identity !== undefined) line += `,"user":${JSON.stringify(identity.subject)}`;
    // A name has none of the characters that JSON would have escaped.
    if (name !== undefined) line += `,"repository":"${name}"`;
    line += `,"address":${quotedAddress(incoming.peer.address)}`;
    if (incoming.agent !== "") line += `,"agent":${quotedAgent(incoming.agent)}`;
    if (body !== undefined) line += `,"received":${body.received}`;
    line += `,"sent":${exchange.sent},"ms":${milliseconds(now - startedAt)}`;
    line += stage("loginMs", admittedAt - startedAt);
    line += stage("bodyMs", receivedAt - admittedAt);
    line += stage("workMs", answeredAt - receivedAt);
    line += stage("sendMs", now - answeredAt);
    write(exchange.aborted ? `${line},"aborted":true}\n` : `${line}}\n`);
  };
}

/** More than anybody needs to recognize what was asked for. */
const textCharactersMax = 256;

function cut(text: string): string {
  return text.length > textCharactersMax ? text.slice(0, textCharactersMax) : text;
}

const quotedMethods = new Map(Array.from(methods, (name) => [name, `"${name}"`]));

function method(name: string): string {
  return quotedMethods.get(name) ?? JSON.stringify(cut(name));
}

/** Text as JSON. One client after the other says the same: the last is kept. */
function remembering(): (text: string) => string {
  let [last, quoted] = ["", '""'];
  return (text) => {
    if (text !== last) [last, quoted] = [text, JSON.stringify(cut(text))];
    return quoted;
  };
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
