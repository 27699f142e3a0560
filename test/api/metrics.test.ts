// The metrics after a known load, and what they must not contain.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Client, serve } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { basic, LoginFiles } from "../support/login.js";
import { documentedRows, rowsOf, startMeasured, valuesOf } from "../support/metrics.js";
import { RawConnection } from "../support/raw.js";
import { eventually } from "../support/store.js";

// An endpoint that accepts nothing and an upstream that is not asked: there is a series for each.
const endpoint = { name: "nowhere", url: "http://127.0.0.1:1/" };
const { gantry, page } = await startMeasured(startInside, {
  REGISTRY_NOTIFICATIONS_ENDPOINTS: JSON.stringify([endpoint]),
  REGISTRY_PROXY_UPSTREAMS: JSON.stringify([{ name: "docker.io", url: endpoint.url }]),
});
after(() => gantry.stop());
const client = new Client(gantry.url);

async function values(): Promise<Map<string, number>> {
  return valuesOf(await (await page()).text());
}

function counted(of: Map<string, number>, route: string, method: string, status: number): number {
  const labels = `route="${route}",method="${method}",status="${status}"`;
  return of.get(`gantry_http_request_duration_seconds_count{${labels}}`) ?? 0;
}

test("requests are counted by route, method and status, with their bytes, and without names", async () => {
  const name = newName();
  const picture = image();
  const large = blobOf(200_000);
  const before = await values();
  await client.pushImage(name, picture, "latest");
  await client.pushBlobs(name, large);
  for (let round = 0; round < 5; round++) await client.get(`/v2/${name}/manifests/latest`);
  await client.get(`/v2/${name}/manifests/none`);
  await client.get(`/v2/${name}/blobs/${large.digest}`);
  await client.request("BREW", `/${name}`, { body: "" });
  const text = await (await page()).text();
  const now = valuesOf(text);
  const manifests = "/v2/<name>/manifests/<reference>";
  const grown = (route: string, method: string, status: number) =>
    counted(now, route, method, status) - counted(before, route, method, status);
  assert.equal(grown(manifests, "GET", 200), 5);
  assert.equal(grown(manifests, "GET", 404), 1);
  assert.equal(grown(manifests, "PUT", 201), 1);
  assert.equal(grown("/v2/<name>/blobs/uploads/", "POST", 201), picture.blobs.length + 1);
  assert.equal(grown("/v2/<name>/blobs/<digest>", "GET", 200), 1);
  assert.equal(grown("unknown", "other", 404), 1, "texts invented by clients share one series");
  const pushed = [picture, large, ...picture.blobs].reduce((sum, { bytes }) => sum + bytes.length, 0);
  const bytes = (way: string) =>
    (now.get(`gantry_http_${way}_bytes_total`) ?? 0) - (before.get(`gantry_http_${way}_bytes_total`) ?? 0);
  assert.equal(bytes("received"), pushed);
  assert.ok(bytes("sent") >= large.bytes.length + 5 * picture.bytes.length);
  assert.ok(!text.includes(name));
});

test("each bucket of a histogram includes the lower ones, and the last one everything", async () => {
  const now = await values();
  const labels = 'route="/v2/<name>/manifests/<reference>",method="GET",status="200"';
  const buckets = [...now].filter(([line]) => line.includes("_bucket{") && line.includes(labels));
  const counts = buckets.map(([, value]) => value);
  assert.ok(counts.length > 10);
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
  );
  assert.equal(counts.at(-1), now.get(`gantry_http_request_duration_seconds_count{${labels}}`));
});

test("open uploads and the storage's space are exported", async () => {
  const before = await values();
  await client.openUpload(newName());
  const now = await values();
  const sessions = "gantry_upload_sessions";
  assert.equal((now.get(sessions) ?? 0) - (before.get(sessions) ?? 0), 1);
  const [free = 0, size = 0] = ["free", "size"].map((what) => now.get(`gantry_storage_${what}_bytes`));
  assert.ok(free > 0 && size >= free);
});

test("memory budgets of bodies, and connections closed because of tiny chunks, are exported", async () => {
  const before = await values();
  const used = (now: Map<string, number>) =>
    now.get('gantry_body_memory_used_bytes{budget="whole"}') ?? Number.NaN;
  for (const budget of ["upload", "whole"])
    assert.ok((before.get(`gantry_body_memory_limit_bytes{budget="${budget}"}`) ?? 0) >= 32 * 1024 * 1024);
  assert.equal(used(before), 0);
  using slow = await RawConnection.open(gantry.url);
  const head = [`PUT /v2/${newName()}/manifests/x HTTP/1.1`, "Host: x", "Content-Length: 200000"];
  slow.send(head, "x".repeat(100_000));
  await eventually("its bytes are counted", async () => (used(await values()) >= 100_000 ? true : undefined));
  using tiny = await RawConnection.open(gantry.url);
  const chunked = [`POST /v2/${newName()}/blobs/uploads/?digest=${blobOf("").digest} HTTP/1.1`, "Host: x"];
  tiny.send([...chunked, "Transfer-Encoding: chunked"], "1\r\nx\r\n".repeat(80_000));
  await eventually("it is cut off", async () =>
    (await values()).get("gantry_connections_cut_off_total") === 1 ? true : undefined,
  );
});

test("the documentation lists exactly the existing metrics", async () => {
  const told = rowsOf(await (await page()).text());
  assert.ok(told.length > 30);
  const [alone] = await documentedRows();
  assert.deepEqual(alone, told);
});

test("the registry's own address serves metrics only if configured", async () => {
  const { status, body } = await client.get("/metrics");
  assert.equal(status, 404);
  assert.match(body.toString(), /http\.metrics\.enabled is off/);
});

test("without authentication, everyone may read the metrics at the registry's own address", async () => {
  const answer = await (await serve({ REGISTRY_HTTP_METRICS_ENABLED: "true" })).client.get("/metrics");
  assert.equal(answer.status, 200);
  assert.match(String(answer.headers["content-type"]), /^text\/plain; version=0\.0\.4/);
  assert.ok(valuesOf(answer.body.toString()).has("gantry_upload_sessions"));
});

test("with logins but no policy, logged-in callers may read the metrics, and others are asked to log in", async () => {
  const files = await LoginFiles.make();
  await files.users({ prometheus: "secret" });
  const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
  const protectedServer = await serve({ REGISTRY_HTTP_METRICS_ENABLED: "true", REGISTRY_AUTH_HTPASSWD_PATH });
  const refused = await protectedServer.client.get("/metrics");
  assert.equal(refused.status, 401);
  // A token, for which docker would be sent, is limited to repositories.
  assert.match(String(refused.headers["www-authenticate"]), /^Basic /);
  const answer = await protectedServer.client.get("/metrics", basic("prometheus", "secret"));
  assert.equal(answer.status, 200);
});
