// Operators' commands, through the real program: the same results with a server that holds the store and without one.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import { createServer, request, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { GarbageReport } from "../../src/gc/report.js";
import type { RetentionReport } from "../../src/registry/apply-retention.js";
import type { RegistryStats } from "../../src/registry/stats.js";
import type { VerifyReport } from "../../src/registry/verify/report.js";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import { blobOf, image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { runInside, startInside } from "../support/inside.js";
import { serveInside, startInsideOn } from "../support/server.js";
import { eventually, storedBelow } from "../support/store.js";

/** The output of `gc --json`. */
interface Collected {
  readonly retention: RetentionReport;
  readonly garbage: GarbageReport;
}

/** Leases that expire at once, to show the effect of the commands. */
const settings = { REGISTRY_GC_INTERVAL: "0s", REGISTRY_GC_LEASE: "0s" };

async function newFolder(prefix = "gantry-operator-"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A store with two repositories that share an image, one with its own blob, and an open upload. */
async function filled(client: Client) {
  const [one, two] = [newName("a"), newName("b")];
  const shared = image({ layers: 2 });
  const lone = blobOf(5000);
  await client.pushImage(one, shared, "v1");
  await client.pushImage(two, shared, "latest");
  await client.pushImage(two, shared, "v2");
  await client.pushBlobs(one, lone);
  await client.patch(await client.openUpload(two), Buffer.alloc(1234));
  const sharedBytes = shared.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return { one, two, shared, lone, sharedBytes };
}

test("stats reports the same for a store with and without a server", async () => {
  const root = await newFolder();
  const server = await startInside(settings, root);
  const { one, two, shared, lone, sharedBytes } = await filled(new Client(server.url));
  const online = await gantry(root, ["stats", "--json"]);
  await server.stop();
  const offline = await gantry(root, ["stats", "--json"]);
  assert.deepEqual([online.code, offline.code], [0, 0], online.stderr + offline.stderr);
  assert.deepEqual(online.json(), offline.json());
  const manifest = shared.bytes.length;
  const stored = sharedBytes + lone.bytes.length + 2 * manifest;
  const logical = 2 * sharedBytes + lone.bytes.length + 2 * manifest;
  assert.deepEqual(online.json<RegistryStats>(), {
    repositories: [
      {
        name: one,
        blobs: 4,
        manifests: 1,
        tags: 1,
        bytes: sharedBytes + lone.bytes.length + manifest,
        sharedBytes,
        uniqueBytes: lone.bytes.length + manifest,
      },
      {
        name: two,
        blobs: 3,
        manifests: 1,
        tags: 2,
        bytes: sharedBytes + manifest,
        sharedBytes,
        uniqueBytes: manifest,
      },
    ],
    unread: [],
    contents: 4,
    contentBytes: sharedBytes + lone.bytes.length,
    storedBytes: stored,
    logicalBytes: logical,
    dedupeRatio: logical / stored,
    openUploads: { sessions: 1, bytes: 1234 },
  });
  const table = await gantry(root, ["stats"]);
  assert.match(table.stdout, new RegExp(`^${one} +4 +1 +1 +`, "m"));
  assert.match(table.stdout, /dedupe ratio 1\.\d\d/);
});

for (const online of [true, false]) {
  const where = online ? "through the server that holds the store" : "on a store without a server";
  test(`gc ${where} lists what it would remove, then removes it`, async () => {
    const root = await newFolder();
    const server = await startInside(settings, root);
    const { one, lone } = await filled(new Client(server.url));
    if (!online) await server.stop();
    const plan = await gantry(root, ["gc", "--json"], settings);
    assert.equal(plan.code, 0, plan.stderr);
    assert.deepEqual(plan.json<Collected>().garbage.repositories, [
      { name: one, manifests: [], blobs: [lone.digest], leased: 0 },
    ]);
    const isThere = async () =>
      (await storedBelow(`${root}/blobs`)).some((path) => path.endsWith(lone.digest));
    assert.ok(await isThere(), "a dry run removes nothing");
    const report = await gantry(root, ["gc", "--delete"], settings);
    assert.equal(report.code, 0, report.stderr);
    assert.match(report.stdout, new RegExp(`${one}: blob ${lone.digest}`));
    assert.match(report.stdout, /0 tags, 0 manifests, 1 blob and 0 orphaned contents removed: 4\.9 KiB/);
    assert.ok(!(await isThere()));
    for (const flag of ["--dry-run", "--delete"]) {
      const { code, stdout } = await gantry(root, ["gc", flag], settings);
      assert.equal(code, 0);
      assert.match(stdout, /\nThere is nothing to remove\. Manifests without a tag are kept.*\n$/);
    }
    assert.equal((await gantry(root, ["gc", "--dry-run", "--delete"], settings)).code, 2);
    if (online) await server.stop();
  });

  test(`gc ${where} counts the unreferenced blobs that leases protect`, async () => {
    const root = await newFolder();
    const leasing = { ...settings, REGISTRY_GC_LEASE: "1h" };
    const server = await startInside(leasing, root);
    await filled(new Client(server.url));
    if (!online) await server.stop();
    const { code, stdout } = await gantry(root, ["gc"], leasing);
    assert.equal(code, 0);
    assert.match(
      stdout,
      /\n1 unreferenced blob protected by leases, until 20\S+Z at the latest .*\nThere is nothing to remove\. Manifests without a tag are kept.*\n$/,
    );
    if (online) await server.stop();
  });

  test(`gc --untagged ${where} removes untagged manifests`, async () => {
    const root = await newFolder();
    const server = await startInside(settings, root);
    const client = new Client(server.url);
    const name = newName();
    const untagged = image();
    await client.pushImage(name, image(), "latest");
    await client.pushImage(name, untagged);
    if (!online) await server.stop();
    for (const [time, manifests] of [
      ["never", []],
      ["1h", []],
      ["0s", [untagged.digest]],
    ] as const) {
      const { garbage } = (
        await gantry(root, ["gc", "--delete", "--json", "--untagged", time], settings)
      ).json<Collected>();
      assert.deepEqual(
        garbage.repositories.flatMap((one) => one.manifests),
        manifests,
        time,
      );
    }
    if (online) await server.stop();
  });
}

test("a dry run lists everything that expires with the tags, and exactly that is then removed", async () => {
  const root = await newFolder();
  const policy = join(root, "..", `${newName("policy")}.json`);
  after(() => rm(policy, { force: true }));
  await writeFile(policy, JSON.stringify({ retention: [{ tags: "pr-*", keepLast: 0 }] }));
  const ruled = { ...settings, REGISTRY_TAGS_POLICY: policy, REGISTRY_GC_UNTAGGED: "0s" };
  const server = await startInside(ruled, root);
  const client = new Client(server.url);
  const name = newName();
  const [kept, going] = [image({ layers: 1 }), image({ layers: 2 })];
  await client.pushImage(name, kept, "main");
  await client.pushImage(name, going, "pr-1");
  await server.stop();
  const removed = [];
  for (const flags of [[], ["--delete"]]) {
    const { retention, garbage } = (await gantry(root, ["gc", "--json", ...flags], ruled)).json<Collected>();
    assert.deepEqual(
      retention.repositories.map(({ tags }) => tags.map(({ tag }) => tag)),
      [["pr-1"]],
    );
    removed.push(
      garbage.repositories.map((one) => ({ ...one, blobs: [...one.blobs].sort() })),
      garbage.bytesFreed,
    );
  }
  const blobs = going.blobs.map(({ digest }) => digest).sort();
  const bytes = going.blobs.reduce((sum, blob) => sum + blob.bytes.length, 0);
  const expected = [[{ name, manifests: [going.digest], blobs, leased: 0 }], bytes];
  assert.deepEqual(removed, [...expected, ...expected]);
});

test("verify finds nothing wrong with an intact store", async () => {
  const root = await newFolder();
  const server = await startInside(settings, root);
  await filled(new Client(server.url));
  const online = await gantry(root, ["verify", "--json"]);
  await server.stop();
  const offline = await gantry(root, ["verify", "--json"]);
  assert.deepEqual([online.code, offline.code], [0, 0], online.stdout + offline.stdout);
  assert.deepEqual(online.json(), offline.json());
  const { problems, hurtTags, odd, ...counts } = online.json<VerifyReport>();
  assert.deepEqual([problems, hurtTags, odd], [[], [], []]);
  const { contents, blobs, manifests, tags } = counts;
  assert.deepEqual({ contents, blobs, manifests, tags }, { contents: 4, blobs: 7, manifests: 2, tags: 3 });
});

test("wrong usage exits with 2 and an explanation, a missing store with 1", async () => {
  const root = await newFolder();
  for (const [parameters, said] of [
    [[], /Usage: gantry COMMAND/],
    [["frobnicate"], /no command frobnicate/],
    [["stats", "--frobnicate"], /frobnicate.*\n?.*--help/],
    [["gc", "--untagged", "soon"], /neither a time/],
    [["verify", "everything"], /--help/],
  ] as const) {
    const { code, stderr, stdout } = await gantry(root, parameters);
    assert.deepEqual([code, stdout], [2, ""], parameters.join(" "));
    assert.match(stderr, said);
  }
  const wrong = await gantry(root, ["stats"], { REGISTRY_UPLOADS_WORKERS: "none" });
  assert.equal(wrong.code, 2);
  const missing = await gantry(root, ["stats"]);
  assert.deepEqual([missing.code, missing.stdout], [1, ""]);
  assert.match(missing.stderr, /there is no store in/);
  assert.deepEqual(await storedBelow(root), [], "and none is created");
});

test("every command has its own help", async () => {
  for (const name of [
    "serve",
    "import",
    "export",
    "gc",
    "verify",
    "stats",
    "token create",
    "token list",
    "token revoke",
  ]) {
    const { code, stdout } = await gantry("/nowhere", [...name.split(" "), "--help"]);
    assert.equal(code, 0);
    assert.match(stdout, new RegExp(`^Usage: gantry ${name}`));
  }
  assert.match((await gantry("/nowhere", ["--help"])).stdout, /Exit codes: 0/);
});

test("the socket is private, replaces one left by a crash, and is removed with the server", async () => {
  const root = await newFolder();
  const crashing = await startGantry(settings, root);
  await crashing.kill();
  assert.ok((await stat(`${root}/control.sock`)).isSocket(), "a crash leaves it");
  assert.equal((await gantry(root, ["stats"])).code, 0, "a stale socket does not block a command");
  const server = await startInside(settings, root);
  assert.equal((await stat(`${root}/control.sock`)).mode & 0o777, 0o600);
  assert.equal((await gantry(root, ["stats"])).code, 0);
  await server.stop();
  await assert.rejects(stat(`${root}/control.sock`), /ENOENT/);
});

test("a store whose path is too long for a socket is served, and its commands report it", async () => {
  const root = await newFolder(`gantry-${"x".repeat(100)}-`);
  const server = await startInside(settings, root);
  assert.match(server.log(), /longer than 107 bytes/);
  const { code, stderr } = await gantry(root, ["stats"]);
  assert.equal(code, 1);
  assert.match(stderr, /too long for a socket/);
  await server.stop();
  assert.equal((await gantry(root, ["stats"])).code, 0);
});

test("a server reports an unknown command and continues", async () => {
  const root = await newFolder();
  await using server = await startInside(settings, root);
  const ask = (path: string, body: string) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const outgoing = request({ socketPath: `${root}/control.sock`, method: "POST", path }, (incoming) => {
        let text = "";
        incoming.on("data", (chunk) => {
          text += String(chunk);
        });
        incoming.once("end", () => resolve({ status: incoming.statusCode ?? 0, text }));
      });
      outgoing.once("error", reject);
      outgoing.end(body);
    });
  assert.equal((await ask("/other", "")).status, 404);
  assert.equal((await ask("/run", "not JSON")).status, 400);
  assert.equal((await ask("/run", "x".repeat(100_000))).status, 413);
  assert.match(
    (await ask("/run", '{"command":"frobnicate","options":{}}')).text,
    /"failure":"there is no command/,
  );
  assert.match((await ask("/run", '{"command":"gc","options":{}}')).text, /"usage":true/);
  assert.equal((await new Client(server.url).get("/v2/")).status, 200);
});

test("a command ends when its caller disconnects", async () => {
  const inside = await serveInside(settings);
  const client = new Client(inside.url);
  for (let count = 0; count < 30; count++) await client.pushBlobs(newName(), blobOf(10));
  const { maintenanceLocks } = inside.services.cluster;
  const { blobs } = inside.services.storage;
  // Hold the first read until the client is known to have disconnected.
  const read = blobs.checkContent.bind(blobs);
  let reads = 0;
  let begin: () => void = () => {};
  const begun = new Promise<void>((resolve) => {
    begin = resolve;
  });
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  blobs.checkContent = async (...parameters) => {
    reads++;
    begin();
    await released;
    return read(...parameters);
  };
  const outgoing = request({
    socketPath: `${inside.place}/control.sock`,
    method: "POST",
    path: "/run",
  });
  outgoing.on("error", () => {});
  outgoing.end(JSON.stringify({ command: "verify", options: { dryRun: true } }));
  await begun;
  outgoing.destroy();
  await pause(200);
  release();
  await maintenanceLocks.exclusive("verify", async () => {});
  assert.ok(reads < 30, `${reads} of 30 were read`);
});

test("stats reports the repositories despite stray files", async () => {
  const root = await newFolder();
  const server = await startInside(settings, root);
  const { two } = await filled(new Client(server.url));
  await server.stop();
  await writeFile(`${root}/manifests/odd`, "");
  await writeFile(`${root}/blobs/odd`, "");
  const ran = await gantry(root, ["stats"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, new RegExp(two));
});

test("gc says that the end of its server has interrupted it", async () => {
  const root = await newFolder();
  const server = await startInsideOn(root, settings);
  await filled(new Client(server.url));
  const { repositories } = server.services.storage;
  const all = repositories.all.bind(repositories);
  const [begun, released] = [new Gate(), new Gate()];
  repositories.all = async function* () {
    begun.open();
    await released.opened;
    yield* all();
  };
  const running = gantry(root, ["gc", "--delete"], settings);
  await begun.opened;
  const stopped = server.stop();
  await eventually("the end of the socket", async () => !(await storedBelow(root)).includes("control.sock"));
  released.open();
  const { code, stdout } = await running;
  await stopped;
  assert.equal(code, 1);
  assert.match(stdout, / removed: 0 B until it was interrupted \(the server is stopping\); run it again\n$/);
});

test("a command whose server is killed, and one that is interrupted, say what has happened", async () => {
  const root = await newFolder();
  const [asked, answering] = [new Gate(), new Set<ServerResponse>()];
  const server = createServer((_, response) => {
    response.writeHead(200).flushHeaders();
    answering.add(response);
    asked.open();
  });
  server.listen(join(root, "control.sock"));
  await once(server, "listening");
  try {
    const killed = gantry(root, ["verify"]);
    await asked.opened;
    for (const response of answering) response.destroy();
    assert.match(
      (await killed).stderr,
      /^gantry: the server ended before gantry verify did, .*run the command again/,
    );
    const again = once(server, "request");
    let said = "";
    const env = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root };
    const { interrupt, ended } = runInside(["verify"], {
      env,
      onOutput: () => {},
      onError: (text) => {
        said += text;
      },
    });
    await again;
    interrupt();
    assert.equal(await ended, 1);
    assert.match(said, /^gantry: gantry verify was interrupted, and the server ends it, too; run it again/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

class Gate {
  open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}
