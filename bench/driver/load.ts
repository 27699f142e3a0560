/**
 * Three ways to repeat one bodyless request on many connections: autocannon, wrk, and a bare socket loop.
 * autocannon is the common reference, but on a shared core it is itself the limit; wrk costs the least for
 * GET but waits forever for the body of a HEAD; the bare loop stands in for it there.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import autocannon from "autocannon";
import { findProgram } from "../processes.js";
import type { Endpoint } from "./endpoint.js";

export type LoadTool = "autocannon" | "wrk" | "sockets";

export interface Load {
  /** TLS only with wrk. */
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly method: "GET" | "HEAD";
  readonly accept: string;
  readonly authorization?: string | undefined;
  readonly connections: number;
  readonly seconds: number;
  /** Whether each request has its own connection; only with wrk. */
  readonly reconnect: boolean;
}

export interface LoadResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Latency of one request; undefined if the tool does not report it. */
  readonly p50Milliseconds?: number;
  readonly p99Milliseconds?: number;
}

/** Runs the load; any failed or refused request is an error, because errors are faster than responses. */
export const loadTools: Readonly<Record<LoadTool, (load: Load) => Promise<LoadResult>>> = {
  autocannon: loadWithAutocannon,
  wrk: loadWithWrk,
  sockets: loadWithSockets,
};

async function loadWithAutocannon(load: Load): Promise<LoadResult> {
  const result = await autocannon({
    url: urlOf(load),
    method: load.method,
    headers: headersOf(load),
    connections: load.connections,
    duration: load.seconds,
    setupClient: (client) => {
      if (load.method === "HEAD") {
        // autocannon trusts the Content-Length of a reply to HEAD and would wait for that body.
        client.on("headers", () => {
          client.parser.body_bytes = 0;
        });
      }
    },
  });
  const failures = result.errors + result.non2xx;
  if (failures > 0) throw new Error(`${load.method} ${load.path}: ${failures} requests failed`);
  return {
    requests: result.requests.total,
    requestsPerSecond: result.requests.total / result.duration,
    p50Milliseconds: result.latency.p50,
    p99Milliseconds: result.latency.p99,
  };
}

/** Printed by wrk's own hook as JSON. Microseconds; `read` counts connections closed by the server. */
const wrkScript = `done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('RESULT {"requests":%d,"duration":%d,"p50":%d,"p99":%d,', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99)))
  io.write(string.format('"errors":{"connect":%d,"write":%d,"status":%d,"timeout":%d,"read":%d}}\\n',
    e.connect, e.write, e.status, e.timeout, e.read))
end`;

interface WrkResult {
  readonly requests: number;
  readonly duration: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: Readonly<Record<"connect" | "write" | "status" | "timeout" | "read", number>>;
}

/** Slow responses show in the p99 instead of as failures: by default wrk would count those over 2 s. */
const wrkTimeout = "15s";

async function loadWithWrk(load: Load): Promise<LoadResult> {
  const program = await findProgram("wrk");
  if (program === undefined) {
    throw new Error("wrk is not installed");
  }
  const folder = await mkdtemp(join(tmpdir(), "gantry-bench-wrk-"));
  try {
    const script = join(folder, "report.lua");
    await writeFile(script, wrkScript);
    const shape = ["-t", "1", "-c", String(load.connections), "-d", `${load.seconds}s`, "-s", script];
    const headers = linesOf(load).flatMap((line) => ["-H", line]);
    const { stdout } = await promisify(execFile)(program, [
      ...shape,
      ...["--timeout", wrkTimeout],
      ...headers,
      ...(load.reconnect ? ["-H", "Connection: close"] : []),
      urlOf(load),
    ]);
    const line = /^RESULT (.+)$/m.exec(stdout)?.[1];
    if (line === undefined) throw new Error(`wrk has printed no result: ${stdout}`);
    const { requests, duration, p50, p99, errors }: WrkResult = JSON.parse(line);
    const failures = Object.entries(errors).filter(
      ([kind, count]) => count > 0 && !(kind === "read" && load.reconnect),
    );
    if (failures.length > 0) {
      const told = failures.map(([kind, count]) => `${count} by ${kind}`).join(", ");
      throw new Error(`${load.method} ${load.path}: requests failed: ${told}`);
    }
    return {
      requests,
      requestsPerSecond: (requests * 1_000_000) / duration,
      p50Milliseconds: p50 / 1000,
      p99Milliseconds: p99 / 1000,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Only for HEAD: it treats the end of the headers as the end of the reply. */
async function loadWithSockets(load: Load): Promise<LoadResult> {
  const lines = [
    `${load.method} ${load.path} HTTP/1.1`,
    `Host: 127.0.0.1:${load.endpoint.port}`,
    ...linesOf(load),
  ];
  const request = Buffer.from(`${lines.join("\r\n")}\r\n\r\n`);
  const deadline = performance.now() + load.seconds * 1000;
  const answers = await Promise.all(
    Array.from({ length: load.connections }, () => repeatOnSocket(load.endpoint.port, request, deadline)),
  );
  const requests = answers.reduce((sum, count) => sum + count, 0);
  return { requests, requestsPerSecond: requests / load.seconds };
}

async function repeatOnSocket(port: number, request: Buffer, deadline: number): Promise<number> {
  return await new Promise((resolve, reject) => {
    let answers = 0;
    let head = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(request));
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      head += chunk.toString("latin1");
      if (!head.endsWith("\r\n\r\n")) {
        return;
      }
      if (!head.startsWith("HTTP/1.1 200")) {
        socket.destroy(new Error(head.slice(0, 100)));
        return;
      }
      head = "";
      if (performance.now() >= deadline) {
        resolve(answers);
        socket.destroy();
        return;
      }
      answers += 1;
      socket.write(request);
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the server closed the connection")));
  });
}

function headersOf({ accept, authorization }: Load): Record<string, string> {
  return { Accept: accept, ...(authorization !== undefined && { Authorization: authorization }) };
}

function linesOf(load: Load): string[] {
  return Object.entries(headersOf(load)).map(([name, value]) => `${name}: ${value}`);
}

function urlOf({ endpoint: { port, ca }, path }: Load): string {
  return `${ca === undefined ? "http" : "https"}://127.0.0.1:${port}${path}`;
}
