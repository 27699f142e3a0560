// The limits of one client hold over all processes, although its connections reach several of them.

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Gantry, startGantry } from "../support/gantry.js";
import { basic, LoginFiles } from "../support/login.js";
import { memberProcesses } from "../support/server-processes.js";
import { until } from "../support/until.js";

/** So long that the processes have reported what came before: exact counts need it, only bounds do not. */
const reportMilliseconds = 100;

const files = await LoginFiles.make();
const users = await files.users({ ann: "right" });

interface Sent {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Opens a connection of its own, which may reach any process, and sends a head. */
async function send(
  server: Gantry,
  { method = "GET", path = "/v2/", headers = {} }: Sent = {},
): Promise<Socket> {
  const { hostname, port } = new URL(server.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => {});
  await once(socket, "connect");
  const lines = Object.entries({ Host: "x", "Content-Length": "0", ...headers });
  socket.write(
    `${method} ${path} HTTP/1.1\r\n${lines.map(([key, value]) => `${key}: ${value}\r\n`).join("")}\r\n`,
  );
  return socket;
}

async function statusOf(socket: Socket): Promise<number> {
  const [head] = (await once(socket, "data")) as [Buffer];
  return Number(head.toString().split(" ")[1]);
}

/** Otherwise the server has closed the connection. */
function isAnswered(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("close", () => resolve(false));
  });
}

async function statusOnce(server: Gantry, sent?: Sent): Promise<number> {
  const socket = await send(server, sent);
  const status = await statusOf(socket);
  socket.destroy();
  return status;
}

function count(statuses: readonly number[], status: number): number {
  return statuses.filter((one) => one === status).length;
}

for (const processes of [2, 4])
  describe(`${processes} processes`, () => {
    const start = (settings: Readonly<Record<string, string>>) =>
      startGantry({
        REGISTRY_HTTP_PROCESSES: String(processes),
        REGISTRY_LOG_ACCESSLOG_DISABLED: "true",
        ...settings,
      });

    test("a client opens as many sessions as it may, and others when some have ended", async () => {
      await using server = await start({ REGISTRY_LIMITS_SESSIONS_PERUSER: "8" });
      const places: string[] = [];
      const open = async () => {
        const opened = await fetch(`${server.url}/v2/a/b/blobs/uploads/`, {
          method: "POST",
          headers: { Connection: "close" },
        });
        const place = opened.headers.get("location");
        if (place !== null) places.push(place);
        await pause(reportMilliseconds);
        return opened.status;
      };
      for (let number = 0; number < 8; number++) assert.equal(await open(), 202);
      for (let number = 0; number < 8; number++) assert.equal(await open(), 429);
      for (const place of places.splice(0, 3))
        assert.equal((await fetch(`${server.url}${place}`, { method: "DELETE" })).status, 204);
      await pause(reportMilliseconds);
      for (let number = 0; number < 3; number++) assert.equal(await open(), 202);
      for (let number = 0; number < 4; number++) assert.equal(await open(), 429);
    });

    test("a client sends as many bodies at once as it may", async () => {
      await using server = await start({ REGISTRY_LIMITS_UPLOADS_PERCLIENT: "6" });
      const sockets: Socket[] = [];
      for (let number = 0; number < 6 * processes; number++) {
        const headers = { "Content-Length": "100", "Content-Type": "application/octet-stream" };
        const path = `/v2/a/b/blobs/uploads/?digest=sha256:${"0".repeat(64)}`;
        sockets.push(await send(server, { method: "POST", path, headers }));
        await pause(reportMilliseconds);
      }
      const accepted = sockets.filter((socket) => socket.bytesRead === 0).length;
      // Their server would wait for them, also after a failure.
      for (const socket of sockets) socket.destroy();
      assert.ok(accepted >= 6 && accepted <= 8, `${accepted} bodies`);
    });

    test("a client has its rate, and exceeds its burst by little", async () => {
      await using server = await start({
        REGISTRY_LIMITS_REQUESTS_RATE: "1",
        REGISTRY_LIMITS_REQUESTS_BURST: "40",
      });
      const begun = performance.now();
      const statuses: number[] = [];
      for (let number = 0; number < 60 * processes; number++) {
        statuses.push(await statusOnce(server));
        await pause(8);
      }
      const seconds = (performance.now() - begun) / 1000;
      const allowed = count(statuses, 200);
      assert.equal(allowed + count(statuses, 429), statuses.length);
      assert.ok(allowed >= 40, `${allowed} requests`);
      assert.ok(allowed <= 40 + seconds + 12, `${allowed} requests in ${seconds} s`);
    });

    test("a client guesses as many passwords as it may", async () => {
      await using server = await start({
        REGISTRY_AUTH_HTPASSWD_PATH: users,
        REGISTRY_LIMITS_LOGINS_FAILURES: "10",
        REGISTRY_LIMITS_LOGINS_PER: "1h",
      });
      const statuses: number[] = [];
      for (let number = 0; number < 10 * processes; number++) {
        statuses.push(await statusOnce(server, { headers: basic("ann", `wrong ${number}`) }));
        await pause(reportMilliseconds);
      }
      assert.equal(count(statuses, 401), 10);
      assert.equal(count(statuses, 429), statuses.length - 10);
    });

    test("a client keeps as many connections as it may", async () => {
      await using server = await start({
        REGISTRY_LIMITS_CONNECTIONS_TOTAL: String(100 * processes),
        REGISTRY_LIMITS_CONNECTIONS_PERCLIENT: "40",
      });
      const sockets: Socket[] = [];
      const answers: Promise<boolean>[] = [];
      for (let number = 0; number < 40 * processes; number++) {
        const socket = await send(server);
        sockets.push(socket);
        answers.push(isAnswered(socket));
        await pause(20);
      }
      const kept = (await Promise.all(answers)).filter(Boolean).length;
      for (const socket of sockets) socket.destroy();
      // Without the others' connections, each process would keep 40.
      assert.ok(kept >= 40 && kept <= 40 + 25, `${kept} connections`);
    });

    test("what a killed process reported is forgotten", async () => {
      await using server = await start({
        REGISTRY_LIMITS_SESSIONS_PERUSER: "4",
        REGISTRY_HTTP_METRICS_ENABLED: "true",
      });
      const open = () => statusOnce(server, { method: "POST", path: "/v2/a/b/blobs/uploads/" });
      for (let number = 0; number < 4; number++) {
        assert.equal(await open(), 202);
        await pause(reportMilliseconds);
      }
      const before = await memberProcesses(server.pid);
      for (const pid of before) process.kill(pid, "SIGKILL");
      await until("they are replaced, and all serve", async () => {
        const now = await memberProcesses(server.pid);
        if (now.length < before.length || now.some((pid) => before.includes(pid))) return false;
        const health = await fetch(`${server.url}/readyz`, { headers: { Connection: "close" } });
        return (await health.text()) === '{"status":"ready"}';
      });
      await pause(reportMilliseconds);
      const statuses: number[] = [];
      for (let number = 0; number < 12; number++) {
        statuses.push(await open());
        await pause(reportMilliseconds);
      }
      // Those of the first process have stayed. With near certainty, it did not have all of them.
      assert.ok(count(statuses, 202) <= 4);
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      assert.match(metrics, /^gantry_upload_sessions 4$/m);
    });
  });
