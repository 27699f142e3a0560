// A store that does what the protocol needs passes the probe, and leaves nothing. One that ignores a condition, or honours it
// for one writer at a time only, is refused with the name of what it lacks. `gantry config check` prints each result.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { type Condition, type Listed, S3Client, type Stamp } from "../../src/storage/s3/client.js";
import { S3Failure } from "../../src/storage/s3/failure.js";
import { prepareStore } from "../../src/storage/s3/prepare.js";
import { probeStore, refuseUnfit } from "../../src/storage/s3/probe.js";
import { temporaryFolder } from "../clients/support.js";
import { gantry, gantryProcess } from "../support/command.js";
import { needsMinio, needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";

async function leftovers(client: S3Client): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of client.list("")) found.push(key);
  for await (const { key } of client.openMultiparts("")) found.push(`upload of ${key}`);
  return found;
}

for (const [engine, skip, removes] of [
  ["versitygw", needsVersitygw, true],
  ["minio", needsMinio, false],
] as const)
  test(`${engine} passes, in both depths, and nothing is left behind`, { skip }, async () => {
    await using server = await startS3Server(engine);
    for (const prefix of ["", "registry/one/"]) {
      const client = server.client(prefix);
      for (const depth of ["short", "full"] as const) {
        const probed = await probeStore(client, depth);
        refuseUnfit(probed, "it");
        assert.equal(probed.removesWithCondition, removes);
        const lacking = probed.results.filter(({ outcome }) => outcome !== "fine").map(({ what }) => what);
        assert.deepEqual(lacking, removes ? [] : ["If-Match when an object is removed"]);
      }
      assert.deepEqual(await leftovers(client), []);
    }
  });

/** Ignores conditions, as old versions of several stores do. */
class IgnoresConditions extends S3Client {
  override put(key: string, body: Uint8Array): Promise<Stamp | undefined> {
    return super.put(key, body);
  }
}

/** Compares before it writes, so that two writers can succeed. */
class ComparesFirst extends S3Client {
  override async put(key: string, body: Uint8Array, condition?: Condition): Promise<Stamp | undefined> {
    if (condition !== undefined) {
      const found = await this.head(key);
      const wanted = "ifMatch" in condition ? condition.ifMatch : undefined;
      if (found?.etag !== wanted) return undefined;
    }
    return super.put(key, body);
  }
}

/** Answers like a store that honours conditions, and writes nevertheless. */
class WritesRefused extends S3Client {
  override async put(key: string, body: Uint8Array, condition?: Condition): Promise<Stamp | undefined> {
    const written = await super.put(key, body, condition);
    if (written === undefined) await super.put(key, body);
    return written;
  }
}

/** Lists in the reverse order, as stores without an order may. */
class ListsInAnyOrder extends S3Client {
  override async *list(...options: Parameters<S3Client["list"]>): AsyncGenerator<Listed> {
    const found: Listed[] = [];
    for await (const one of super.list(...options)) found.push(one);
    yield* found.toReversed();
  }
}

for (const [what, Store, failing] of [
  ["ignores conditions", IgnoresConditions, /16 of 16 concurrent writers succeeded/],
  [
    "compares before it writes",
    ComparesFirst,
    /\d+ of 16 concurrent writers succeeded, so the store does not/,
  ],
  ["writes what it refuses", WritesRefused, /the object is not that of the writer|has changed the object/],
  ["lists in any order", ListsInAnyOrder, /the order or the number of objects was wrong/],
] as const)
  test(`a store that ${what} is refused`, { skip: needsVersitygw }, async () => {
    await using server = await startS3Server();
    const client = new Store(server.client().requests);
    const probed = await probeStore(client, "short");
    assert.throws(() => refuseUnfit(probed, "the bucket"), failing);
    const ignored = () => {};
    const options = { create: true, onLost: ignored, onWaiting: ignored, onError: ignored };
    await assert.rejects(prepareStore(client, options), /cannot be used as a store/);
    assert.deepEqual(await leftovers(server.client()), [], "also no store");
  });

/** Fails each write, as a bucket does to which nobody may write. */
class ReadsOnly extends S3Client {
  override put(): Promise<never> {
    return Promise.reject(new S3Failure("no", { status: 403, code: "AccessDenied" }));
  }
}

test("a store that cannot be written to is refused with one reason", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  const client = new ReadsOnly(server.client().requests);
  const { results } = await probeStore(client, "full");
  assert.deepEqual(
    results.map(({ outcome }) => outcome),
    ["fine", "failed"],
  );
  const short = await probeStore(client, "short");
  assert.throws(
    () => refuseUnfit(short, "it"),
    ({ message }: Error) => message.split("grant the permissions").length === 2,
  );
});

test("a store that answers nothing is a result, not an exception", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  const { requests } = server.client();
  Object.assign(requests, { limits: { ...requests.limits, requestSeconds: 0 } });
  await server.kill();
  const { results } = await probeStore(new S3Client(requests), "full");
  assert.deepEqual(
    results.map(({ what, outcome }) => [what, outcome]),
    [["reach the bucket", "failed"]],
  );
});

function settingsOf(server: S3Server): Record<string, string> {
  return {
    REGISTRY_STORAGE_S3_BUCKET: server.bucket,
    REGISTRY_STORAGE_S3_REGIONENDPOINT: server.endpoint,
    REGISTRY_STORAGE_S3_ACCESSKEY: server.accessKey,
    REGISTRY_STORAGE_S3_SECRETKEY: server.secretKey,
  };
}

test("config check connects to the bucket and prints each result", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  await using folder = await temporaryFolder();
  const check = (more: Record<string, string> = {}, ...words: string[]) =>
    gantry(folder.path, ["config", "check", ...words], { ...settingsOf(server), ...more });
  const fine = await check();
  assert.equal(fine.code, 0, fine.stderr);
  assert.match(
    fine.stdout,
    /^ok: storage\.s3: If-None-Match: \* when .*: one of 16 concurrent writers succeeded$/m,
  );
  assert.match(fine.stdout, /no node uses it\nA server can start with these settings\.$/m);
  assert.doesNotMatch(fine.stdout, new RegExp(server.secretKey));
  const wrong = await check({ REGISTRY_STORAGE_S3_BUCKET: "missing" });
  assert.equal(wrong.code, 2);
  assert.match(wrong.stdout, /^FAILED: storage\.s3: reach the bucket missing of http.*NoSuchBucket/m);
  assert.match(wrong.stdout, /^A server cannot start with these settings\.$/m);
  const nowhere = await check({ REGISTRY_STORAGE_S3_SCRATCHDIRECTORY: "nowhere" });
  assert.equal(nowhere.code, 2);
  assert.match(
    nowhere.stderr,
    /storage\.s3\.scratchdirectory: no file can be created in \/.*\/nowhere: ENOENT/,
  );
  const json = await check({ REGISTRY_STORAGE_S3_SECRETKEY: "wrong" }, "--json");
  assert.equal(json.code, 2);
  const { fine: isFine, checks } = json.json<{ fine: boolean; checks: { outcome: string }[] }>();
  assert.deepEqual([isFine, checks.map(({ outcome }) => outcome)], [false, ["failed"]]);
  await server.kill();
  const offline = await check({}, "--offline");
  assert.deepEqual([offline.code, offline.stdout.includes("storage.s3:")], [0, false]);
});

test("without keys in the settings, AWS's chain finds them", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  await using folder = await temporaryFolder();
  const { accessKey, secretKey } = server;
  const profiles = join(folder.path, "credentials");
  await writeFile(profiles, `[ci]\naws_access_key_id = ${accessKey}\naws_secret_access_key = ${secretKey}\n`);
  // The service that containers ask, also on Kubernetes.
  let asked = 0;
  const metadata = createServer((_, response) => {
    asked++;
    response.setHeader("content-type", "application/json");
    const Expiration = new Date(Date.now() + 3_600_000).toISOString();
    const keys = { AccessKeyId: accessKey, SecretAccessKey: secretKey, Token: "", Expiration };
    response.end(JSON.stringify(keys));
  });
  await new Promise<void>((resolve) => metadata.listen(0, "127.0.0.1", resolve));
  const { port } = metadata.address() as AddressInfo;
  const none = { AWS_EC2_METADATA_DISABLED: "true", HOME: folder.path };
  const {
    REGISTRY_STORAGE_S3_ACCESSKEY: _,
    REGISTRY_STORAGE_S3_SECRETKEY: __,
    ...settings
  } = settingsOf(server);
  try {
    for (const [environment, code] of [
      [{ AWS_ACCESS_KEY_ID: accessKey, AWS_SECRET_ACCESS_KEY: secretKey }, 0],
      [{ AWS_SHARED_CREDENTIALS_FILE: profiles, AWS_PROFILE: "ci" }, 0],
      [{ AWS_CONTAINER_CREDENTIALS_FULL_URI: `http://127.0.0.1:${port}/` }, 0],
      [{}, 2],
    ] as const) {
      const ran = await gantryProcess(folder.path, ["config", "check"], {
        ...settings,
        ...none,
        ...environment,
      });
      assert.equal(ran.code, code, `${Object.keys(environment)}: ${ran.stdout}${ran.stderr}`);
      if (code === 2) assert.match(ran.stdout, /^FAILED: .*no credentials for the store/m);
    }
    assert.equal(asked, 1, "once for all requests");
  } finally {
    metadata.close();
  }
});
