// Several processes share the port and the store: each request, on a connection of its own, may reach any of them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { type IncomingHttpHeaders, request } from "node:http";
import { describe, test } from "node:test";
import { freePort } from "../support/free-port.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { documentedRows, rowsOf } from "../support/metrics.js";
import { memberProcesses } from "../support/server-processes.js";
import { eventually } from "../support/store.js";
import { until } from "../support/until.js";

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** Sends a request on a new connection, so that the kernel chooses a process again. */
function ask(url: string, method = "GET", body?: Uint8Array, headers: object = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = { "Content-Length": body?.length ?? 0 };
    const outgoing = request(
      url,
      { method, agent: false, headers: { ...length, ...headers } },
      (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on("data", (piece: Buffer) => pieces.push(piece));
        incoming.once("error", reject);
        incoming.once("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(pieces),
          }),
        );
      },
    );
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

const type = "application/vnd.oci.image.manifest.v1+json";

function manifestOf(config: Uint8Array): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: type,
      config: {
        mediaType: "application/vnd.oci.image.config.v1+json",
        digest: digestOf(config),
        size: config.length,
      },
      layers: [],
    }),
  );
}

class LostWithProcess extends Error {
  readonly code = "ECONNRESET";
}

interface PushOptions {
  readonly chunks?: number;
  /** Whether a process may be killed meanwhile. */
  readonly mayBeKilled?: boolean;
}

async function pushBlob(
  server: Gantry,
  name: string,
  bytes: Buffer,
  { chunks = 1, mayBeKilled = false }: PushOptions = {},
): Promise<void> {
  const opened = await ask(`${server.url}/v2/${name}/blobs/uploads/`, "POST");
  assert.equal(opened.status, 202, `${opened.body}\n${server.log()}`);
  let location = `${server.url}${opened.headers.location}`;
  const step = Math.ceil(bytes.length / chunks);
  for (let at = 0; at < bytes.length; at += step) {
    const chunk = bytes.subarray(at, at + step);
    const range = chunks === 1 ? {} : { "Content-Range": `${at}-${at + chunk.length - 1}` };
    const sent = await ask(location, "PATCH", chunk, range);
    // Without bytes, an upload is in the memory of its process only, which may have been killed.
    if (mayBeKilled && at === 0 && sent.status === 404) throw new LostWithProcess();
    assert.equal(sent.status, 202, `${sent.body}\n${server.log()}`);
    location = `${server.url}${sent.headers.location}`;
    const state = await ask(location);
    assert.deepEqual([state.status, state.headers.range], [204, `0-${at + chunk.length - 1}`]);
  }
  const closed = await ask(`${location}?digest=${digestOf(bytes)}`, "PUT");
  assert.equal(closed.status, 201, `${closed.body}\n${server.log()}`);
}

async function pushImage(
  server: Gantry,
  name: string,
  tag: string,
  config: Buffer,
  options?: PushOptions,
): Promise<string> {
  await pushBlob(server, name, config, options);
  const manifest = manifestOf(config);
  const pushed = await ask(`${server.url}/v2/${name}/manifests/${tag}`, "PUT", manifest, {
    "Content-Type": type,
  });
  assert.equal(pushed.status, 201, `${pushed.body}\n${server.log()}`);
  return digestOf(manifest);
}

/** Asks often enough that each process has answered, with near certainty. */
const manyTimes = 16;

async function tagEverywhere(server: Gantry, name: string, tag: string): Promise<Set<string>> {
  const answers = new Set<string>();
  for (let count = 0; count < manyTimes; count++) {
    const { status, headers } = await ask(`${server.url}/v2/${name}/manifests/${tag}`, "HEAD");
    answers.add(`${status} ${headers["docker-content-digest"] ?? ""}`.trim());
  }
  return answers;
}

const settings = {
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
  REGISTRY_HTTP_METRICS_ENABLED: "true",
  REGISTRY_LOG_ACCESSLOG_DISABLED: "true",
};

for (const count of [2, 4]) {
  describe(`${count} processes`, () => {
    const processes = { ...settings, REGISTRY_HTTP_PROCESSES: String(count) };

    test("an upload whose requests reach several processes is stored", async () => {
      await using server = await startGantry(processes);
      assert.equal((await memberProcesses(server.pid)).length, count - 1);
      const sizes = [1, 70_000, 1_500_000, 3_000_000];
      await Promise.all(
        Array.from({ length: 24 }, async (_, index) => {
          const bytes = randomBytes(sizes[index % sizes.length] ?? 1);
          await pushBlob(server, "hop/blobs", bytes, { chunks: 1 + (index % 3) });
          const { status, body } = await ask(`${server.url}/v2/hop/blobs/blobs/${digestOf(bytes)}`);
          assert.ok(status === 200 && body.equals(bytes));
        }),
      );
    });

    test("an upload that is not there is unknown to all, however many ask at once", async () => {
      await using server = await startGantry(processes);
      const opened = await ask(`${server.url}/v2/hop/none/blobs/uploads/`, "POST");
      const location = `${server.url}${opened.headers.location}`;
      assert.equal((await ask(location, "DELETE")).status, 204);
      for (let round = 0; round < 4; round++) {
        const methods = Array.from({ length: 24 }, (_, index) => ["GET", "PATCH", "DELETE"][index % 3]);
        const answers = await Promise.all(methods.map((method) => ask(location, method)));
        assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([404]));
      }
    });

    test("after its response, every process knows where a tag points, and that one was deleted", async () => {
      await using server = await startGantry(processes);
      for (let round = 0; round < 4; round++) {
        const digest = await pushImage(server, "hop/tags", "latest", randomBytes(100));
        assert.deepEqual(await tagEverywhere(server, "hop/tags", "latest"), new Set([`200 ${digest}`]));
      }
      assert.equal((await ask(`${server.url}/v2/hop/tags/manifests/latest`, "DELETE")).status, 202);
      assert.deepEqual(await tagEverywhere(server, "hop/tags", "latest"), new Set(["404"]));
    });

    test("after its response, a push is in the lists and pages of every process", async () => {
      await using server = await startGantry(processes);
      for (let round = 0; round < 4; round++) {
        await pushImage(server, "hop/lists", `tag-${round}`, randomBytes(100));
        for (let count = 0; count < manyTimes; count++) {
          const list = await ask(`${server.url}/v2/hop/lists/tags/list`);
          const { tags } = JSON.parse(list.body.toString()) as { tags: string[] };
          assert.equal(tags.length, round + 1);
          if (count % 4 > 0) continue;
          const page = await eventually("a page without gaps", async () => {
            const { status, body } = await ask(`${server.url}/ui/r/hop/lists/_tags`);
            assert.equal(status, 200);
            return body.includes("data-pending") ? undefined : body;
          });
          assert.ok(page.includes(`tag-${round}`));
        }
      }
    });

    test("concurrent pushes of one tag leave one of them, with an entry in the history for each", async () => {
      await using server = await startGantry(processes);
      const digests = await Promise.all(
        Array.from({ length: 12 }, () => pushImage(server, "hop/race", "latest", randomBytes(100))),
      );
      const [answer, ...rest] = await tagEverywhere(server, "hop/race", "latest");
      assert.deepEqual(rest, []);
      assert.ok(digests.some((digest) => answer === `200 ${digest}`));
      const history = await ask(`${server.url}/v2/hop/race/_gantry/history/latest`);
      const { entries } = JSON.parse(history.body.toString()) as { entries: { digest: string }[] };
      assert.deepEqual(new Set(entries.map(({ digest }) => digest)), new Set(digests));
    });

    test("the metrics are those of all processes", async () => {
      await using server = await startGantry(processes);
      for (let sent = 0; sent < 20; sent++) await ask(`${server.url}/v2/`);
      let page = "";
      await until("all requests are counted", async () => {
        page = (await ask(`${server.url}/metrics`)).body.toString();
        return /^gantry_http_request_duration_seconds_count\{route="\/v2\/",[^}]*\} 20$/m.test(page);
      });
      assert.match(page, /^gantry_ready 1$/m);
      const [, , further] = await documentedRows();
      const rows = rowsOf(page);
      assert.ok(further.length > 0);
      for (const row of further) assert.ok(rows.includes(row), row);
    });

    test("a killed process loses its connections only, and is replaced", async () => {
      await using server = await startGantry(processes);
      const acknowledged = new Map<string, string>();
      let [isOver, refused] = [false, 0];
      const clients = Array.from({ length: 6 }, async (_, client) => {
        for (let number = 0; !isOver; number++) {
          const tag = `${client}-${number}`;
          // Only the connection may be lost: every answer is a good one.
          const lost = (error: NodeJS.ErrnoException) => {
            if (error.code !== "ECONNRESET" && error.code !== "ECONNREFUSED" && error.code !== "EPIPE")
              throw error;
            refused++;
          };
          await pushImage(server, "kill/images", tag, randomBytes(60_000), { mayBeKilled: true }).then(
            (digest) => acknowledged.set(tag, digest),
            lost,
          );
        }
      });
      const kills = 3;
      for (let kill = 0; kill < kills; kill++) {
        const soFar = acknowledged.size;
        await until("clients push", () => acknowledged.size >= soFar + 5);
        const before = await memberProcesses(server.pid);
        process.kill(before[kill % before.length] ?? 0, "SIGKILL");
        await until("it is replaced", async () => {
          const now = await memberProcesses(server.pid);
          return now.length === count - 1 && now.join() !== before.join();
        });
      }
      isOver = true;
      await Promise.all(clients);
      for (const [tag, digest] of acknowledged) {
        const { status, headers } = await ask(`${server.url}/v2/kill/images/manifests/${tag}`, "HEAD");
        assert.deepEqual([status, headers["docker-content-digest"]], [200, digest], tag);
      }
      assert.ok(
        refused <= kills * clients.length,
        `${refused} pushes failed, more than one for each kill and client`,
      );
    });

    test("a process that cannot be started is started later, and the others serve", async () => {
      await using server = await startGantry(processes);
      const digest = await pushImage(server, "start/later", "latest", randomBytes(100));
      const files = (limit: string) =>
        execFileSync("prlimit", ["--pid", String(server.pid), `--nofile=${limit}:`]);
      const members = await memberProcesses(server.pid);
      files("10");
      process.kill(members[0] ?? 0, "SIGKILL");
      await until("a start has failed", () => /could not be started.*another attempt/.test(server.log()));
      files("1000");
      await until("it is replaced", async () => {
        const now = await memberProcesses(server.pid);
        return now.length === count - 1 && now.join() !== members.join();
      });
      assert.deepEqual(await tagEverywhere(server, "start/later", "latest"), new Set([`200 ${digest}`]));
    });

    test("health speaks for all: one that is replaced is missing, one that hangs or fails makes the server unready", async () => {
      const debug = `127.0.0.1:${await freePort()}`;
      await using server = await startGantry({
        ...processes,
        REGISTRY_HTTP_DEBUG_ADDR: debug,
        REGISTRY_HEALTH_STORAGEDRIVER_INTERVAL: "100ms",
        REGISTRY_HEALTH_STORAGEDRIVER_THRESHOLD: "1",
      });
      const health = async (url = `http://${debug}`) => {
        const { status, body } = await ask(`${url}/readyz`);
        return `${status} ${body}`;
      };
      const everywhere = async () =>
        new Set(await Promise.all(Array.from({ length: manyTimes }, () => health(server.url))));
      const allSay = (text: string) => async () => {
        const said = new Set([...(await everywhere()), await health()]);
        return said.size === 1 && said.has(text);
      };
      const ready = allSay('200 {"status":"ready"}');
      await until("all are ready", ready);
      const [pid = 0] = await memberProcesses(server.pid);
      // A process without room for another descriptor cannot check its storage.
      const files = (limit: string) => execFileSync("prlimit", ["--pid", String(pid), `--nofile=${limit}:`]);
      files("10");
      await until("a failure of one process is known", async () => {
        return (
          (await health()) ===
          '503 {"status":"failing","failures":{"storage":"the storage cannot be written to"}}'
        );
      });
      files("1000");
      await until("it has recovered", ready);
      process.kill(pid, "SIGKILL");
      await until("it is missing", async () => {
        return (
          (await health()) === `200 {"status":"ready","processes":{"serving":${count - 1},"count":${count}}}`
        );
      });
      await until("it is replaced", ready);
      const [other = 0] = await memberProcesses(server.pid);
      process.kill(other, "SIGSTOP");
      await until("one does not answer", async () => {
        return (
          (await health()) === '503 {"status":"failing","failures":{"processes":"a process does not answer"}}'
        );
      });
      process.kill(other, "SIGCONT");
      await until("it answers", ready);
    });

    test("the others end when the first process is killed, and the next server has what was acknowledged", async () => {
      const first = await startGantry(processes);
      const digest = await pushImage(first, "kill/first", "latest", randomBytes(100));
      const pids = await memberProcesses(first.pid);
      await first.kill();
      await until("the others have ended", async () => pids.every(hasEnded));
      await using second = await startGantry(processes, first.root);
      assert.deepEqual(await tagEverywhere(second, "kill/first", "latest"), new Set([`200 ${digest}`]));
    });
  });
}

test("a start names the processes of an ended server that still hold the store, and they end when they go on", async () => {
  const first = await startGantry({ REGISTRY_HTTP_PROCESSES: "3" });
  const [stopped = 0, other = 0] = await memberProcesses(first.pid);
  process.kill(stopped, "SIGSTOP");
  await first.kill();
  await until("the other one has ended", async () => hasEnded(other));
  await assert.rejects(startGantry({}, first.root), ({ message }: Error) => {
    const [line] = message.split("\n").filter((one) => one.includes("is in use by"));
    const ended = `processes of a gantry that has ended (process ${first.pid}): ${stopped}.`;
    assert.ok(line?.includes(ended), message);
    assert.ok(line?.includes(`kill -KILL ${stopped}"`), message);
    return true;
  });
  process.kill(stopped, "SIGCONT");
  await until("it has ended", async () => hasEnded(stopped));
  await using second = await startGantry({}, first.root);
  await assert.rejects(
    startGantry({}, first.root),
    new RegExp(`by another gantry \\(process ${second.pid}\\)`),
  );
});

/** Also if nobody has asked for its exit code: the first process of a container may not do that for orphans. */
function hasEnded(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return true;
  }
}
