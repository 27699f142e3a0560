// The metrics page after a completely known load: each counter has exactly its value.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { gantry as command } from "../support/command.js";
import { type Blob, blobOf, image, newName } from "../support/content.js";
import { type Gantry, type GantrySettings, startGantry } from "../support/gantry.js";
import { basic, LoginFiles } from "../support/login.js";
import { type Measured, startMeasured, valuesOf } from "../support/metrics.js";

/** A server without background work, except that in `settings`. */
async function quiet(settings: GantrySettings = {}): Promise<Measured<Gantry> & { readonly client: Client }> {
  const measured = await startMeasured(startGantry, {
    REGISTRY_GC_INTERVAL: "0s",
    REGISTRY_GC_LEASE: "0s",
    ...settings,
  });
  after(() => measured.gantry.stop());
  return { ...measured, client: new Client(measured.gantry.url) };
}

const loaded = await quiet();
const files = await LoginFiles.make();
await files.users({ ann: "right" });
const guarded = await quiet({
  REGISTRY_AUTH_HTPASSWD_PATH: files.settings.REGISTRY_AUTH_HTPASSWD_PATH ?? "",
  REGISTRY_LIMITS_SESSIONS_PERUSER: "1",
});
const labelled = await quiet({ REGISTRY_HTTP_METRICS_REPOSITORIES: "2" });

async function valuesAt({ page }: Measured<Gantry>): Promise<(line: string) => number> {
  const values = valuesOf(await (await page()).text());
  return (line) => values.get(line) ?? Number.NaN;
}

const sizeOf = (blobs: readonly Blob[]) => blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);

test("a known load of pushes, pulls and a collection is counted exactly", async () => {
  const { client, gantry } = loaded;
  const [name, other] = [newName(), newName()];
  const picture = image();
  const large = blobOf(3_000_000);
  const garbage = blobOf(70_000);
  const pushed = [...picture.blobs, large, garbage];
  await client.pushImage(name, picture, "latest");
  await client.pushBlobs(name, large, garbage);
  await client.pushBlobs(other, large);
  for (let round = 0; round < 7; round++) await client.get(`/v2/${name}/manifests/latest`);
  const [small] = picture.blobs;
  assert.ok(small !== undefined && small.bytes.length < 64 * 1024);
  for (let round = 0; round < 4; round++) await client.get(`/v2/${name}/blobs/${small.digest}`);
  await client.get(`/v2/${name}/blobs/${garbage.digest}`);

  const value = await valuesAt(loaded);
  const expected: Record<string, number> = {
    gantry_http_received_bytes_total: sizeOf([...pushed, large, picture]),
    gantry_http_sent_bytes_total: 7 * picture.bytes.length + 4 * small.bytes.length + garbage.bytes.length,
    gantry_upload_hashed_bytes_total: sizeOf([...pushed, large]),
    gantry_upload_written_bytes_total: sizeOf([...pushed, large]),
    // Existing content is known to be intact, because it was pushed here.
    gantry_file_hashed_bytes_total: 0,
    'gantry_worker_tasks_total{kind="seal"}': pushed.length + 1,
    'gantry_worker_tasks_total{kind="digest"}': 0,
    // The journal has the others.
    'gantry_sync_duration_seconds_count{of="data"}': 2,
    gantry_upload_sessions: 0,
    gantry_upload_sessions_purged_total: 0,
    gantry_upload_slabs_used: 0,
    gantry_storage_contents: pushed.length,
    gantry_storage_contents_bytes: sizeOf(pushed),
    'gantry_cache_hits_total{cache="tags"}': 7,
    'gantry_cache_misses_total{cache="tags"}': 0,
    'gantry_cache_hits_total{cache="manifests"}': 7,
    'gantry_cache_misses_total{cache="manifests"}': 0,
    'gantry_cache_hits_total{cache="small_blobs"}': 3,
    'gantry_cache_misses_total{cache="small_blobs"}': 1,
    'gantry_cache_hits_total{cache="blob_chunks"}': 0,
    'gantry_cache_misses_total{cache="blob_chunks"}': 1,
    'gantry_cache_hits_total{cache="sound_contents"}': 1,
    'gantry_gc_runs_total{outcome="done"}': 0,
    gantry_gc_last_success_timestamp_seconds: 0,
    'gantry_http_limited_total{limit="requests"}': 0,
  };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((line) => [line, value(line)])), expected);
  for (const line of [
    "gantry_upload_hashed_seconds_total",
    "gantry_upload_written_seconds_total",
    "gantry_worker_busy_seconds_total",
    "gantry_worker_wait_seconds_total",
    'gantry_sync_duration_seconds_sum{of="data"}',
    'gantry_sync_duration_seconds_sum{of="journal"}',
    'gantry_sync_duration_seconds_sum{of="directory"}',
  ])
    assert.ok(value(line) > 0, line);

  // The large one is unreferenced in both repositories.
  const before = Date.now() / 1000;
  assert.equal((await command(gantry.root, ["gc"])).code, 0);
  assert.equal((await command(gantry.root, ["gc", "--delete"])).code, 0);
  const now = await valuesAt(loaded);
  const collected: Record<string, number> = {
    'gantry_gc_runs_total{outcome="done"}': 1,
    'gantry_gc_runs_total{outcome="failed"}': 0,
    'gantry_gc_removed_total{kind="blobs"}': 3,
    'gantry_gc_removed_total{kind="manifests"}': 0,
    'gantry_gc_removed_total{kind="tags"}': 0,
    gantry_gc_freed_bytes_total: sizeOf([large, garbage]),
    gantry_gc_duration_seconds_count: 1,
    gantry_storage_contents: picture.blobs.length,
    gantry_storage_contents_bytes: sizeOf(picture.blobs),
  };
  assert.deepEqual(Object.fromEntries(Object.keys(collected).map((line) => [line, now(line)])), collected);
  assert.ok(now("gantry_gc_last_success_timestamp_seconds") >= before);
});

test("the amount of stored content is known after a restart, and after a crash once it was counted", async () => {
  const { gantry, client } = await quiet();
  const blobs = [blobOf(100), blobOf(2000)];
  await client.pushImage(newName(), image(), "latest");
  await client.pushBlobs(newName(), ...blobs);
  const stats = (await command(gantry.root, ["stats", "--json"])).json<Record<string, number>>();
  const { root } = gantry;
  // The folder belongs to the test's first server, which `after` stops; here it is only killed.
  await gantry.kill();
  const crashed = await startMeasured(startGantry, {}, root);
  try {
    assert.equal((await valuesAt(crashed))("gantry_storage_contents"), -1, "it has not been counted yet");
    assert.equal((await command(root, ["stats"])).code, 0);
    const counted = await valuesAt(crashed);
    assert.equal(counted("gantry_storage_contents"), stats.contents);
    assert.equal(counted("gantry_storage_contents_bytes"), stats.contentBytes);
  } finally {
    await crashed.gantry.stop();
  }
  const again = await startMeasured(startGantry, {}, root);
  try {
    assert.equal((await valuesAt(again))("gantry_storage_contents"), stats.contents);
  } finally {
    await again.gantry.stop();
  }
});

test("wrong credentials are counted by login method, and missing ones are not", async () => {
  const { client } = guarded;
  await client.get("/v2/");
  await client.get("/v2/", basic("ann", "right"));
  await client.get("/v2/", basic("ann", "wrong"));
  await client.get("/v2/", basic("nobody", "wrong"));
  await client.get("/v2/", { Authorization: "Bearer nonsense" });
  await client.get("/v2/", { Authorization: "Digest nonsense" });
  const form = new URLSearchParams({ grant_type: "password", username: "ann", password: "wrong" }).toString();
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  assert.equal((await client.request("POST", "/token", { body: form, headers })).status, 401);
  const value = await valuesAt(guarded);
  const failed = (way: string) => value(`gantry_logins_failed_total{way="${way}"}`);
  assert.deepEqual(["basic", "bearer", "other", "form"].map(failed), [2, 1, 1, 1]);
  // The form's password was already known to be wrong.
  const lookups = ["hits", "misses"].map((what) => value(`gantry_cache_${what}_total{cache="passwords"}`));
  assert.deepEqual(lookups, [1, 3]);
});

test("refused requests are counted by limit", async () => {
  const { client } = guarded;
  const open = () =>
    client.request("POST", `/v2/${newName()}/blobs/uploads/`, { body: "", headers: basic("ann", "right") });
  assert.deepEqual([(await open()).status, (await open()).status, (await open()).status], [202, 429, 429]);
  const value = await valuesAt(guarded);
  assert.equal(value('gantry_http_limited_total{limit="sessions"}'), 2);
  assert.equal(value('gantry_http_limited_total{limit="uploads"}'), 0);
});

test("repositories have labels if configured, up to the number, and unknown ones have none", async () => {
  const { client } = labelled;
  const names = [newName("a"), newName("b"), newName("c")];
  await client.get(`/v2/${newName("absent")}/tags/list`);
  const blob = blobOf(1234);
  for (const name of names) await client.pushBlobs(name, blob);
  const value = await valuesAt(labelled);
  const received = (repository: string) =>
    value(`gantry_http_received_bytes_total{repository="${repository}"}`);
  assert.deepEqual([...names, "OTHER", ""].map(received), [1234, 1234, Number.NaN, 1234, 0]);
  const count = (repository: string, route: string, method: string, status: number) =>
    value(
      `gantry_http_request_duration_seconds_count{route="${route}",method="${method}",status="${status}",repository="${repository}"}`,
    );
  assert.equal(count(names[0] ?? "", "/v2/<name>/blobs/uploads/", "POST", 201), 1);
  assert.equal(count("OTHER", "/v2/<name>/tags/list", "GET", 404), 1);
});
