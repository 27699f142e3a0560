// Limits of the real system: a small file system that fills up, and a process that may open few files.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { cli } from "../support/cli.js";
import { assertError, Client, locationOf } from "../support/client.js";
import { blobOf, digestOf, image, newName } from "../support/content.js";
import { startGantry } from "../support/gantry.js";
import { RawConnection } from "../support/raw.js";
import { eventually, storedBelow } from "../support/store.js";

const mebibyte = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), "gantry-full-"));
const mounted = mount();
after(() => {
  if (mounted) execFileSync("umount", ["--lazy", folder]);
  rmSync(folder, { recursive: true, force: true });
});
// A server does not remove a given folder.
beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
});
const skip = mounted ? false : "no small file system can be mounted here";

function mount(): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

test("pushes that do not fit a full file system get 507, others continue, and the space is freed", {
  skip,
}, async () => {
  await using gantry = await startGantry({ REGISTRY_UPLOADS_MEMORYMIB: "8" }, join(folder, "store"));
  const client = new Client(gantry.url);
  const name = newName();
  const there = image();
  const [fits, large] = [blobOf(10 * mebibyte), blobOf(20 * mebibyte)];
  await client.pushImage(name, there, "latest");
  await client.pushBlobs(name, fits);
  for (let time = 0; time < 3; time++) {
    const answers = await Promise.all([
      client.request("POST", `/v2/${name}/blobs/uploads/?digest=${large.digest}`, { body: large.bytes }),
      client.openUpload(name).then((location) => client.close(location, large.digest, large.bytes)),
    ]);
    for (const answer of answers) assertError(answer, 507, "UNKNOWN");
    const location = await client.openUpload(name);
    const first = await client.patch(location, large.bytes.subarray(0, 5 * mebibyte));
    assert.equal(first.status, 202);
    const session = locationOf(first);
    assertError(await client.patch(session, large.bytes.subarray(5 * mebibyte)), 507, "UNKNOWN");
    // Acknowledged bytes can be continued once there is space, and nothing else is left.
    assert.equal((await client.get(session)).headers.range, `0-${5 * mebibyte - 1}`);
    assert.equal((await client.delete(session)).status, 204);
    await eventually("the space is freed", async () =>
      (await storedBelow(`${gantry.root}/uploads`)).length === 0 ? true : undefined,
    );
  }
  assert.ok((await client.get(`/v2/${name}/blobs/${fits.digest}`)).body.equals(fits.bytes));
  assert.equal((await client.delete(`/v2/${name}/blobs/${fits.digest}`)).status, 202);
  await client.pushBlobs(name, large);
  assert.ok((await client.get(`/v2/${name}/blobs/${large.digest}`)).body.equals(large.bytes));
  assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(there.bytes));
  assert.doesNotMatch(gantry.log(), /request failed.*TypeError/);
});

test("an upload that has filled the file system frees space for others at once, and resumes where it was", {
  skip,
}, async () => {
  await using gantry = await startGantry({ REGISTRY_UPLOADS_MEMORYMIB: "8" }, join(folder, "room"));
  const client = new Client(gantry.url);
  const name = newName();
  const [large, other] = [blobOf(60 * mebibyte), blobOf(12 * mebibyte)];
  /** A file may be gone that has just been listed. */
  const bytesOf = (path: string) =>
    (statSync(`${gantry.root}/uploads/${path}`, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
  const uploadedBytes = async () =>
    (await storedBelow(`${gantry.root}/uploads`))
      .filter((path) => !path.endsWith(".json"))
      .reduce((sum, path) => sum + bytesOf(path), 0);
  for (const acknowledged of [5 * mebibyte, 0]) {
    let location = await client.openUpload(name);
    if (acknowledged > 0)
      location = locationOf(await client.patch(location, large.bytes.subarray(0, acknowledged)));
    // Without its last bytes, so that the server waits.
    const rest = large.bytes.subarray(acknowledged);
    using connection = await RawConnection.open(gantry.url);
    connection.send([`PATCH ${location} HTTP/1.1`, "Host: x", `Content-Length: ${rest.length}`]);
    connection.write(rest.subarray(0, -10));
    await eventually("it has filled the file system, and nothing of that is left", async () =>
      connection.socket.writableLength === 0 && (await uploadedBytes()) === acknowledged ? true : undefined,
    );
    await client.pushBlobs(name, other);
    connection.write(rest.subarray(-10));
    assert.equal((await connection.answer()).status, 507);
    const range = `0-${Math.max(0, acknowledged - 1)}`;
    assert.equal((await client.get(location)).headers.range, range);
    assert.equal((await client.delete(`/v2/${name}/blobs/${other.digest}`)).status, 202);
    const end = Buffer.from("end");
    const little = Buffer.concat([large.bytes.subarray(0, acknowledged), end]);
    assert.equal((await client.close(location, digestOf(little), end)).status, 201);
    assert.ok((await client.get(`/v2/${name}/blobs/${digestOf(little)}`)).body.equals(little));
  }
});

test("acknowledged bytes stay although the upload then fills the file system", {
  skip,
}, async () => {
  await using gantry = await startGantry({ REGISTRY_UPLOADS_MEMORYMIB: "8" }, join(folder, "told"));
  const client = new Client(gantry.url);
  const large = blobOf(30 * mebibyte);
  const location = await client.openUpload(newName());
  using connection = await RawConnection.open(gantry.url);
  connection.send([`PATCH ${location} HTTP/1.1`, "Host: x", `Content-Length: ${large.bytes.length}`]);
  connection.write(large.bytes.subarray(0, 4 * mebibyte));
  const told = `0-${4 * mebibyte - 1}`;
  await eventually("the status reports all received bytes", async () =>
    (await client.get(location)).headers.range === told ? true : undefined,
  );
  connection.write(large.bytes.subarray(4 * mebibyte));
  assert.equal((await connection.answer()).status, 507);
  assert.equal((await client.get(location)).headers.range, told);
  assert.equal((await client.delete(location)).status, 204);
});

test("a manifest that does not fit a full file system gets 507, and its tag does not move", {
  skip,
}, async () => {
  await using gantry = await startGantry({}, join(folder, "manifests"));
  const client = new Client(gantry.url);
  const name = newName();
  const [before, made] = [image(), image({ annotations: { filler: "x".repeat(200_000) } })];
  await client.pushImage(name, before, "latest");
  await client.pushBlobs(name, ...made.blobs);
  const filler = join(folder, "filler");
  execFileSync("sh", ["-c", `cat /dev/zero > ${filler} 2>/dev/null || true`]);
  assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 507, "UNKNOWN");
  assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 507, "UNKNOWN");
  assert.equal(gantry.log().split("the storage is full: requests that need space").length, 2, gantry.log());
  assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(before.bytes));
  rmSync(filler);
  await client.pushImage(name, made, "latest");
  assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
});

test("when no more files can be opened, requests fail one by one, and everything works afterwards", async () => {
  await using gantry = await startGantry();
  const client = new Client(gantry.url);
  const name = newName();
  const made = image();
  await client.pushImage(name, made, "latest");
  const limit = (files: string) =>
    execFileSync("prlimit", ["--pid", String(gantry.pid), `--nofile=${files}`]);
  const files = execFileSync("sh", ["-c", `ls /proc/${gantry.pid}/fd | wc -l`])
    .toString()
    .trim();
  // Descriptors for the open connections, and none for files.
  limit(`${Number(files)}:`);
  const blobs = Array.from({ length: 8 }, () => blobOf(100_000));
  const answers = await Promise.allSettled(
    blobs.map(({ bytes, digest }) =>
      client.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: bytes }),
    ),
  );
  assert.ok(answers.every((one) => one.status === "rejected" || [201, 500].includes(one.value.status)));
  assert.ok(
    answers.some((one) => one.status === "rejected" || one.value.status === 500),
    "some were refused",
  );
  limit("1024:");
  await eventually("connections are accepted again", async () => {
    const answer = await new Client(gantry.url).get("/v2/").catch(() => undefined);
    return answer?.status === 200 ? true : undefined;
  });
  const again = new Client(gantry.url);
  await again.pushBlobs(name, ...blobs);
  for (const { bytes, digest } of blobs)
    assert.ok((await again.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
  assert.ok((await again.get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
});

test("with few descriptors, blobs that were pulled do not keep others from being pulled", async () => {
  const limited = ["prlimit", "--nofile=100:100", process.execPath, cli] as const;
  await using gantry = await startGantry({}, undefined, limited);
  const client = new Client(gantry.url, 2);
  const name = newName();
  const blobs = Array.from({ length: 150 }, () => blobOf(80_000));
  await client.pushBlobs(name, ...blobs);
  for (const { digest, bytes } of blobs)
    assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
});
