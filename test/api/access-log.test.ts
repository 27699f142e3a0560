// The access log: one line for each request on standard output, in each format, with its content.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import { type Answer, serve } from "../support/client.js";
import { blobOf, image as newImage, newName } from "../support/content.js";
import { oneProcess, type RunningGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";

// Lines of several processes also have their number.
const { gantry, client } = await serve({
  ...oneProcess,
  REGISTRY_LOG_FIELDS_SERVICE: "registry",
  REGISTRY_LOG_LEVEL: "error",
});
const silent = await serve({ REGISTRY_LOG_ACCESSLOG_DISABLED: "true" });
const logstash = await serve({ REGISTRY_LOG_FORMATTER: "logstash" });
const text = await serve({ REGISTRY_LOG_FORMATTER: "text" });
const ending = await serve();

type Line = Readonly<Record<string, unknown>>;

function linesOf(server: RunningGantry): Line[] {
  return server
    .log()
    .split("\n")
    .filter((line) => line.startsWith("{") && line.endsWith("}"))
    .map((line) => JSON.parse(line) as Line);
}

/** Returns the line of the request with this ID. */
function lineOf(id: string, server = gantry): Promise<Line> {
  return eventually(`the line of ${id}`, () => linesOf(server).find((line) => line.id === id));
}

/** Sends a request with a new ID, and returns its response and its line. */
async function logged(
  send: (headers: Record<string, string>) => Promise<Answer>,
  server = gantry,
): Promise<{ answer: Answer; line: Line }> {
  const id = newName("request");
  const answer = await send({ "X-Request-ID": id, "User-Agent": 'a "client"/1' });
  return { answer, line: await lineOf(id, server) };
}

test("a push and a pull each have a line with user, repository, bytes and times", async () => {
  const name = newName();
  const blob = blobOf(300_000);
  const path = `/v2/${name}/blobs/uploads/`;
  const push = await logged((headers) =>
    client.request("POST", `${path}?digest=${blob.digest}`, { headers, body: blob.bytes }),
  );
  assert.equal(push.answer.status, 201);
  const { time, id: _id, ms, loginMs: _login, bodyMs: _body, workMs, sendMs: _send, ...fixed } = push.line;
  assert.deepEqual(fixed, {
    level: 30,
    log: "access",
    service: "registry",
    method: "POST",
    path,
    status: 201,
    user: "anonymous",
    repository: name,
    address: "127.0.0.1",
    agent: 'a "client"/1',
    received: blob.bytes.length,
    sent: 0,
  });
  assert.ok(Math.abs(Number(time) - Date.now()) < 60_000);
  assert.ok(Number(ms) >= Number(workMs) && Number(workMs) > 0, "a push syncs, which takes time");
  const pull = await logged((headers) => client.get(`/v2/${name}/blobs/${blob.digest}`, headers));
  assert.deepEqual([pull.line.method, pull.line.sent], ["GET", blob.bytes.length]);
});

test("a request has one line, whatever happens to it, and its own ID if it sends none", async () => {
  const name = newName();
  await client.pushImage(name, newImage(), "latest");
  const answers = [
    await client.get(`/v2/${name}/manifests/latest`),
    await client.get(`/v2/${name}/manifests/none`),
    await client.get("/nothing"),
    await client.get("/v2/UPPER/tags/list"),
    await client.request("PATCH", "/v2/", { body: "x" }),
  ];
  const paths = [
    `/v2/${name}/manifests/latest`,
    `/v2/${name}/manifests/none`,
    "/nothing",
    "/v2/UPPER/tags/list",
  ];
  const { line: last } = await logged((headers) => client.get("/v2/", headers));
  assert.ok(last);
  const lines = linesOf(gantry);
  for (const [index, path] of paths.entries()) {
    const found = lines.filter((line) => line.path === path && line.method === "GET");
    assert.deepEqual(
      found.map(({ status }) => status),
      [answers[index]?.status],
      path,
    );
  }
  const ids = lines.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

test("texts invented by a client stay within their line", async () => {
  const { line } = await logged((headers) => client.get(`/v2/"}\\/${"x".repeat(1000)}`, headers));
  assert.match(String(line.path), /^\/v2\/"}\\\/x+$/);
  assert.equal(String(line.path).length, 256);
  const before = linesOf(gantry).length;
  await client.get("/v2/", { "X-Request-ID": 'a","user":"user:admin' });
  await logged((headers) => client.get("/v2/", headers));
  const [forged] = linesOf(gantry).slice(before);
  assert.equal(forged?.user, "anonymous");
});

test("the line has no query and no credentials", async () => {
  const headers = { Authorization: `Basic ${Buffer.from("alice:hunter2-basic").toString("base64")}` };
  await client.get("/v2/?password=hunter2-query", headers);
  await logged((more) => client.get("/v2/", more));
  assert.doesNotMatch(gantry.log(), /hunter2|Basic/);
});

test("the line of a disconnected client says so", async () => {
  const name = newName();
  const { host } = new URL(gantry.url);
  const id = newName("request");
  using connection = await RawConnection.open(gantry.url);
  connection.send([
    `POST /v2/${name}/blobs/uploads/?digest=${blobOf(1).digest} HTTP/1.1`,
    `Host: ${host}`,
    `X-Request-ID: ${id}`,
    "Content-Length: 100",
  ]);
  connection.socket.end();
  const line = await lineOf(id);
  assert.deepEqual([line.aborted, line.status], [true, undefined]);
});

/** Sends a request on the connection, waits for the response and returns its line. */
async function loggedOn(socket: Socket): Promise<Line> {
  const id = newName("request");
  socket.write(`GET /v2/ HTTP/1.1\r\nHost: registry\r\nX-Request-ID: ${id}\r\n\r\n`);
  await once(socket, "data");
  return lineOf(id);
}

async function connectFrom(localAddress: string, localPort?: number): Promise<Socket> {
  const { hostname, port } = new URL(gantry.url);
  const socket = connect({ host: hostname, port: Number(port), localAddress, localPort });
  await once(socket, "connect");
  return socket;
}

test("clients with the same port are told apart by their addresses", async () => {
  const one = await connectFrom("127.0.0.1");
  const two = await connectFrom("127.0.0.2", one.localPort);
  try {
    for (let round = 0; round < 2; round++) {
      assert.equal((await loggedOn(one)).address, "127.0.0.1");
      assert.equal((await loggedOn(two)).address, "127.0.0.2");
    }
    one.destroy();
    await once(one, "close");
    const three = await connectFrom("127.0.0.3", two.localPort);
    assert.equal((await loggedOn(two)).address, "127.0.0.2");
    assert.equal((await loggedOn(three)).address, "127.0.0.3");
    three.destroy();
  } finally {
    one.destroy();
    two.destroy();
  }
});

test("health checks have no line", async () => {
  await client.get("/livez");
  await logged((headers) => client.get("/v2/", headers));
  assert.ok(!linesOf(gantry).some(({ path }) => path === "/livez"));
});

test("it can be disabled", async () => {
  await silent.client.get("/v2/silent");
  await silent.gantry.stop();
  assert.doesNotMatch(silent.gantry.log(), /silent/);
});

test("Logstash's names are used if configured", async () => {
  const { line } = await logged((headers) => logstash.client.get("/v2/", headers), logstash.gantry);
  assert.deepEqual([line.level, line["@version"], line.time], ["info", "1", undefined]);
  assert.ok(!Number.isNaN(Date.parse(String(line["@timestamp"]))));
});

test("the format for people starts with method, path and status", async () => {
  await text.client.get("/v2/");
  await eventually("the line", () => (/GET \/v2\/ 200/.test(text.gantry.log()) ? true : undefined));
});

test("it has the requests answered before the server ended", async () => {
  await ending.client.get("/v2/last/tags/list");
  await ending.gantry.stop();
  assert.match(ending.gantry.log(), /"path":"\/v2\/last\/tags\/list"/);
});
