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
  /** By TLS only where wrk is the tool. */
  readonly endpoint: Endpoint;
  readonly path: string;
  readonly method: "GET" | "HEAD";
  readonly accept: string;
  readonly authorization?: string | undefined;
  readonly connections: number;
  readonly seconds: number;
  /** Whether each request has a connection of its own; only where wrk is the tool. */
  readonly reconnect: boolean;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  /** Of one request; undefined where the tool does not tell. */
  readonly p50Milliseconds?: number;
  readonly p99Milliseconds?: number;
}

/** Runs the load; any failed or refused request is an error, since errors are quicker than answers. */
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
        // autocannon believes the Content-Length of a reply to HEAD and would wait for that body.
        client.on("headers", () => {
          client.parser.body_bytes = 0;
        });
      }
    },
  });
  failUnlessClean(load, result.errors + result.non2xx);
  return {
    requestsPerSecond: result.requests.total / result.duration,
    p50Milliseconds: result.latency.p50,
    p99Milliseconds: result.latency.p99,
  };
}

/** Printed by wrk's own hook: requests, microseconds, failures, connections that were ended, and latencies in microseconds. */
const wrkScript = `done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect + e.write + e.status + e.timeout, e.read, latency:percentile(50), latency:percentile(99)))
end`;

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
      ...headers,
      ...(load.reconnect ? ["-H", "Connection: close"] : []),
      urlOf(load),
    ]);
    const line = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(stdout);
    const [requests = 0, microseconds = 1, failures = 1, ended = 1, p50 = 0, p99 = 0] = (line ?? [])
      .slice(1)
      .map(Number);
    failUnlessClean(load, failures + (load.reconnect ? 0 : ended));
    return {
      requestsPerSecond: (requests * 1_000_000) / microseconds,
      p50Milliseconds: p50 / 1000,
      p99Milliseconds: p99 / 1000,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Only for HEAD: it takes the end of the head for the end of the reply. */
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
  return { requestsPerSecond: answers.reduce((sum, count) => sum + count, 0) / load.seconds };
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

function failUnlessClean(load: Load, failures: number): void {
  if (failures > 0) {
    throw new Error(`${load.method} ${load.path}: ${failures} requests failed`);
  }
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
