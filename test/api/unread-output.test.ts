// Logs that are not read, or cannot be written: requests are answered, a stop ends the server, lost lines are counted, and
// the audit log can refuse requests that could not be logged.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import bcrypt from "bcryptjs";
import { FileTarget } from "../../src/observe/file-target.js";
import { cli } from "../support/cli.js";
import { Client } from "../support/client.js";
import { blobOf, newName } from "../support/content.js";
import { type Gantry, type GantrySettings, startGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-unread-"));
after(() => rm(folder, { recursive: true, force: true }));

const users = join(folder, "users");
await writeFile(users, `alice:${await bcrypt.hash("secret", 4)}\n`);
const alice = { Authorization: `Basic ${Buffer.from("alice:secret").toString("base64")}` };

let pipes = 0;
function newPipe(): string {
  const path = join(folder, `pipe-${pipes++}`);
  execFileSync("mkfifo", [path]);
  return path;
}

/** A server with a pipe as standard error or output. The pipe is open for reading, too, so that it only fills up. */
function startWith(redirection: string, settings: GantrySettings): Promise<Gantry> {
  return startGantry(settings, undefined, [
    "sh",
    "-c",
    `exec ${redirection}; exec "$0" "$@"`,
    process.execPath,
    cli,
  ]);
}

/** Returns the output of a pipe from now on. */
class Reader implements Disposable {
  text = "";
  readonly #child;

  constructor(pipe: string) {
    this.#child = spawn("cat", [pipe], { stdio: ["ignore", "pipe", "ignore"] });
    this.#child.stdout.on("data", (chunk) => {
      this.text += String(chunk);
    });
  }

  [Symbol.dispose](): void {
    this.#child.kill();
  }
}

/** Tags that make a line of the audit log 12 KB long, so that few requests fill a queue. */
const manyTags = Array.from({ length: 50 }, (_, index) => `tag=${String(index).padStart(240, "x")}`).join(
  "&",
);

/** Refused requests, one after another on one connection. */
async function refused(url: string, count: number): Promise<void> {
  using connection = await RawConnection.open(url);
  for (let sent = 0; sent < count; sent++) {
    connection.send([`PUT /v2/a/manifests/b?${manyTags} HTTP/1.1`, "Host: x", "Content-Length: 0"]);
    assert.equal((await connection.answer()).status, 401);
  }
}

async function droppedLines(url: string, log: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers: alice })).text();
  const value = new RegExp(`^gantry_log_lines_dropped_total\\{log="${log}"\\} (\\d+)$`, "m").exec(text)?.[1];
  assert.ok(value !== undefined, text.slice(0, 500));
  return Number(value);
}

const withLogins = { REGISTRY_AUTH_HTPASSWD_PATH: users, REGISTRY_HTTP_METRICS_ENABLED: "true" };

test("with standard error stuck, requests are answered, dropped lines are counted and reported, and SIGTERM ends the server", async () => {
  const pipe = newPipe();
  await using gantry = await startWith(`2<>${pipe}`, withLogins);
  await refused(gantry.url, 600);
  assert.equal((await fetch(`${gantry.url}/livez`)).status, 200);
  assert.ok((await droppedLines(gantry.url, "audit")) > 100);
  {
    using reader = new Reader(pipe);
    await eventually(
      "the log reports the missing lines",
      () => /audit log lines were dropped/.test(reader.text) || undefined,
    );
    const told = /"dropped":(\d+),"msg":"audit log lines were dropped"/.exec(reader.text)?.[1];
    assert.equal(Number(told), await droppedLines(gantry.url, "audit"));
    await refused(gantry.url, 1);
    await eventually("later lines", () => /"log":"audit".*\n$/.test(reader.text) || undefined);
    for (const line of reader.text.trimEnd().split("\n")) assert.doesNotThrow(() => JSON.parse(line), line);
  }
  await refused(gantry.url, 600);
  const before = performance.now();
  await gantry.stop();
  assert.ok(performance.now() - before < 10_000);
});

test("with standard output stuck, the access log delays nothing, and SIGTERM ends the server", async () => {
  const pipe = newPipe();
  const root = await mkdtemp(join(folder, "store-"));
  const child = spawn("sh", ["-c", `exec 1<>${pipe}; exec "$0" "$@"`, process.execPath, cli, "serve"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      REGISTRY_HTTP_ADDR: "127.0.0.1:0",
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
    },
  });
  after(() => void child.kill("SIGKILL"));
  let url: string | undefined;
  {
    using reader = new Reader(pipe);
    url = await eventually("the ready line", () => /ready on (\S+),/.exec(reader.text)?.[1], 20_000);
  }
  using connection = await RawConnection.open(url);
  for (let sent = 0; sent < 3_000; sent++) {
    connection.send([`GET /v2/${sent}${"x".repeat(200)} HTTP/1.1`, "Host: x"]);
    assert.equal((await connection.answer()).status, 404);
  }
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  const before = performance.now();
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
  assert.ok(performance.now() - before < 10_000);
});

test("a reader that exits ends nothing", async () => {
  const child = spawn(process.execPath, [cli, "serve"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      REGISTRY_HTTP_ADDR: "127.0.0.1:0",
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: await mkdtemp(join(folder, "store-")),
      REGISTRY_AUTH_HTPASSWD_PATH: users,
    },
  });
  after(() => void child.kill("SIGKILL"));
  const ready = await new Promise<string>((resolve) =>
    child.stdout.once("data", (data) => resolve(String(data))),
  );
  const url = /ready on (\S+),/.exec(ready)?.[1] ?? "";
  child.stdout.destroy();
  child.stderr.destroy();
  await refused(url, 50);
  assert.equal((await fetch(`${url}/livez`)).status, 200);
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  child.kill("SIGTERM");
  assert.equal(await ended, 0);
});

test("if the audit log refuses, a request that could not be logged gets 503 and has no effect, and pulls continue", async () => {
  const pipe = newPipe();
  const open = spawn("sh", ["-c", `exec 3<>${pipe}; exec sleep 1000`], { stdio: "ignore" });
  after(() => void open.kill());
  await using gantry = await startGantry({
    ...withLogins,
    REGISTRY_AUDIT_TO: pipe,
    REGISTRY_AUDIT_ONFAILURE: "refuse",
    REGISTRY_STORAGE_DELETE_ENABLED: "true",
  });
  const client = new Client(gantry.url, 8, {}, alice);
  const [name, other] = [newName(), newName()];
  const [blob, late] = [blobOf(1_000), blobOf(1_000)];
  await client.pushBlobs(name, blob);
  const put = () => client.request("PUT", `/v2/${name}/manifests/b?${manyTags}`, { body: "" });
  const answer = await eventually(
    "a refusal",
    async () => {
      const { status, body } = await put();
      return status === 503 ? body.toString() : undefined;
    },
    20_000,
  );
  assert.match(answer, /the audit log cannot be written: try again later/);
  const path = `/v2/${name}/blobs/${blob.digest}`;
  assert.equal((await client.delete(path)).status, 503);
  const push = () =>
    client.request("POST", `/v2/${other}/blobs/uploads/?digest=${late.digest}`, { body: late.bytes });
  assert.equal((await push()).status, 503);
  assert.equal(
    (await client.get(path)).status,
    200,
    "the object that was to be deleted exists, and can be read",
  );
  assert.equal((await client.get(`/v2/${other}/blobs/${late.digest}`)).status, 404);
  assert.equal((await fetch(`${gantry.url}/livez`)).status, 200);
  {
    using reader = new Reader(pipe);
    await eventually("pushes are accepted again", async () =>
      (await push()).status === 201 ? true : undefined,
    );
    await eventually("its line", () => reader.text.includes(late.digest) || undefined);
    for (const line of reader.text.trimEnd().split("\n")) assert.doesNotThrow(() => JSON.parse(line), line);
  }
  assert.equal(await droppedLines(gantry.url, "audit"), 0, "a refusal is not a lost line");
});

test("a moved file is reopened at its path, and other users cannot read it", async () => {
  const path = join(folder, "moved", "lines.log");
  const target = await FileTarget.open(path);
  const write = (text: string) =>
    new Promise<void>((resolve, reject) =>
      target.write(Buffer.from(text), (error) => (error === undefined ? resolve() : reject(error))),
    );
  await write("one\n");
  await rename(path, `${path}.1`);
  const writing = write("two\n");
  target.reopen();
  await writing;
  await write("three\n");
  target.close();
  assert.equal(execFileSync("cat", [`${path}.1`]).toString(), "one\ntwo\n");
  assert.equal(execFileSync("cat", [path]).toString(), "three\n");
  assert.equal((await stat(path)).mode & 0o007, 0);
});

for (const formatter of ["json", "text"])
  test(`no terminal control character gets into the logs as ${formatter}`, async () => {
    await using gantry = await startGantry({ ...withLogins, REGISTRY_LOG_FORMATTER: formatter });
    const hostile = "\u001b[2J\u009b2J\u007f\u202e\u2028\u200b\ufeff";
    using connection = await RawConnection.open(gantry.url);
    const bytes = Buffer.from(hostile.replaceAll("\u001b", ""), "utf8").toString("latin1");
    const path = `/v2/x/manifests/${bytes}`;
    connection.send([`PUT ${path} HTTP/1.1`, "Host: x", "Content-Length: 0", `User-Agent: a${bytes}`]);
    await connection.answer();
    await eventually("the lines", () => (/"?agent"?.*[2]J/.test(gantry.log()) ? true : undefined));
    for (const character of gantry.log().replaceAll("\n", ""))
      assert.doesNotMatch(character, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u, JSON.stringify(character));
  });
