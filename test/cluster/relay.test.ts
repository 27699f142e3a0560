/** The relays of the tests: each fault is one that the client and the server see as described. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { Pool } from "undici";
import { type Fault, startFaultRelay } from "../support/fault-relay.js";
import { startRelay } from "../support/relay.js";

interface Seen {
  readonly method: string;
  readonly body: string;
  readonly complete: boolean;
}

/** A server that answers with 1,000 bytes, and tells what it has received. */
async function echo(): Promise<AsyncDisposable & { readonly port: number; readonly seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("error", () => {});
    request.once("close", () =>
      seen.push({ method: request.method ?? "", body, complete: request.complete }),
    );
    request.once("end", () => response.writeHead(200, { "content-length": 1000 }).end("x".repeat(1000)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A client whose connections do not outlast the test. */
function clientOf(url: string) {
  const pool = new Pool(url, { connections: 16 });
  return {
    async put(body = "", signal = AbortSignal.timeout(5_000)) {
      const { statusCode, body: answer } = await pool.request({
        method: "PUT",
        path: "/a?b=c",
        body,
        signal,
      });
      return { status: statusCode, text: await answer.text() };
    },
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

test("a relay adds its latency once to each round trip", async () => {
  await using server = await echo();
  await using relay = await startRelay(server.port, 60);
  await using client = clientOf(relay.url);
  await client.put();
  const start = performance.now();
  assert.equal((await client.put("bytes")).text.length, 1000);
  const taken = performance.now() - start;
  assert.ok(taken >= 59, `${taken} ms`);
  assert.ok(taken < 300, `${taken} ms`);
  relay.delay(0);
  assert.equal((await client.put("bytes")).status, 200);
});

test("a relay passes many megabytes unchanged", async () => {
  await using server = await echo();
  await using relay = await startRelay(server.port, 10);
  await using client = clientOf(relay.url);
  const body = "0123456789abcdef".repeat(1024 * 1024);
  assert.equal((await client.put(body)).status, 200);
  assert.ok(server.seen[0]?.body === body);
});

test("a relay cuts connections, refuses new ones, and takes them again on the same port", async () => {
  await using server = await echo();
  await using relay = await startRelay(server.port, 1000);
  await using client = clientOf(relay.url);
  const running = client.put("bytes");
  while (relay.connections === 0) await new Promise(setImmediate);
  relay.cut();
  await assert.rejects(running);
  relay.delay(0);
  assert.equal((await client.put()).status, 200);
  await relay.set("refuse");
  await assert.rejects(client.put(), { code: "ECONNREFUSED" });
  await relay.set("pass");
  assert.equal((await client.put()).status, 200);
});

test("a silent relay accepts connections, and delivers what it held back later", async () => {
  await using server = await echo();
  await using relay = await startRelay(server.port);
  await using client = clientOf(relay.url);
  await relay.set("hang");
  await assert.rejects(client.put("", AbortSignal.timeout(200)), { name: "TimeoutError" });
  const waiting = client.put("late");
  await relay.set("pass");
  assert.equal((await waiting).status, 200);
  assert.equal(relay.mode, "pass");
});

const cases: readonly { fault: Fault; answer: RegExp; seen: readonly boolean[] }[] = [
  { fault: "errorBefore", answer: /^(503 .*SlowDown|500 .*InternalError)/s, seen: [] },
  { fault: "errorAfter", answer: /^(503 .*SlowDown|500 .*InternalError)/s, seen: [true] },
  { fault: "resetBefore", answer: /UND_ERR_SOCKET|ECONNRESET/, seen: [false] },
  { fault: "resetAfter", answer: /UND_ERR_SOCKET|ECONNRESET/, seen: [true] },
  { fault: "halfBody", answer: /UND_ERR_SOCKET|ECONNRESET/, seen: [true] },
  { fault: "hang", answer: /23/, seen: [] },
];

for (const { fault, answer, seen } of cases)
  test(`the fault ${fault} hits one request, and the next one passes`, async () => {
    await using server = await echo();
    await using relay = await startFaultRelay(server.port);
    await using client = clientOf(relay.url);
    relay.failNext(fault, ({ method, path }) => method === "PUT" && path === "/a?b=c");
    const body = "y".repeat(4 * 1024 * 1024);
    const first = await client.put(body, AbortSignal.timeout(1_000)).then(
      ({ status, text }) => `${status} ${text}`,
      (error: { code: string | number }) => String(error.code),
    );
    assert.match(first, answer);
    while (server.seen.length < seen.length) await new Promise(setImmediate);
    assert.deepEqual(
      server.seen.map(({ complete }) => complete),
      seen,
    );
    if (fault === "resetBefore") assert.ok((server.seen[0]?.body.length ?? 0) < body.length);
    assert.equal((await client.put("again")).text.length, 1000);
    assert.deepEqual(relay.requests, [
      { method: "PUT", path: "/a?b=c", fault },
      { method: "PUT", path: "/a?b=c", fault: undefined },
    ]);
  });

test("a plan hits the same requests with the same seed, at about its rate", async () => {
  await using server = await echo();
  await using relay = await startFaultRelay(server.port);
  await using client = clientOf(relay.url);
  const hits = async (seed: string): Promise<readonly (Fault | undefined)[]> => {
    relay.forget();
    relay.inject({ seed, rates: { errorBefore: 0.2, resetAfter: 0.1 } });
    for (let sent = 0; sent < 200; sent++) await client.put().catch(() => {});
    return relay.requests.map(({ fault }) => fault);
  };
  const first = await hits("a");
  assert.deepEqual(await hits("a"), first);
  assert.notDeepEqual(await hits("b"), first);
  const count = (fault: Fault) => first.filter((hit) => hit === fault).length;
  assert.ok(count("errorBefore") > 20 && count("errorBefore") < 60, `${count("errorBefore")} of 200`);
  assert.ok(count("resetAfter") > 5 && count("resetAfter") < 40, `${count("resetAfter")} of 200`);
  relay.inject(undefined);
  assert.equal((await client.put()).status, 200);
});
