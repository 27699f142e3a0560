// What operators see of the pull-through cache: metrics with exact values, a field of the access log, and events.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { gantry as run } from "../support/command.js";
import { blobOf, image, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { startMeasured, valuesOf } from "../support/metrics.js";
import { eventually } from "../support/store.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";
import { WebhookReceiver, webhooksTo } from "../support/webhooks.js";

const upstream = await ScriptedUpstream.start();
const receiver = await WebhookReceiver.start();
const { gantry, page } = await startMeasured(startInside, {
  ...cacheOf(upstream, { tagttl: "1s", absentttl: "60s", staletimeout: "1s", timeout: "10s" }),
  ...webhooksTo({ name: "all", url: receiver.origin }),
});
after(() => gantry.stop());
const client = new Client(gantry.url);

const mebibyte = 1024 * 1024;

/** Returns how much each series has grown, without those that have not, and the gauges as they are. */
async function during(work: () => Promise<void>): Promise<Record<string, number>> {
  const values = async () => valuesOf(await (await page()).text());
  const before = await values();
  await work();
  const now = await values();
  const own = [...now].filter(
    ([line]) => line.startsWith("gantry_upstream_") && !line.includes("first_byte"),
  );
  return Object.fromEntries(
    own
      .map(([line, value]) => [line.replace('upstream="docker.io"', ""), value - (before.get(line) ?? 0)])
      .filter(([, grown]) => grown !== 0),
  );
}

/** Sends requests, and returns how to read the field of their lines in the access log. */
async function ask(...paths: readonly string[]): Promise<() => Promise<unknown[]>> {
  const ids: string[] = [];
  for (const path of paths) {
    const id = newName("request");
    ids.push(id);
    await client.get(path, { "X-Request-ID": id });
  }
  return () => Promise.all(ids.map(cacheField));
}

async function cacheField(id: string): Promise<unknown> {
  const line = await eventually(`the line of ${id}`, () =>
    gantry
      .log()
      .split("\n")
      .find((one) => one.startsWith("{") && one.includes(`"${id}"`)),
  );
  return (JSON.parse(line) as { cache?: unknown }).cache;
}

function repository() {
  const name = newName("library/app");
  const made = image();
  upstream.add(name, made, "1");
  const [blob] = made.blobs;
  assert.ok(blob !== undefined);
  return { name, made, blob, manifest: `/v2/${name}/manifests/1`, layer: `/v2/${name}/blobs/${blob.digest}` };
}

test("a miss, hits, a comparison, and what is absent are counted, and told in the access log", async () => {
  const { name, made, blob, manifest, layer } = repository();
  const missing = `/v2/${name}/manifests/none`;
  const grown = await during(async () => {
    const fields = await ask(manifest, manifest, layer, layer, missing, missing);
    assert.deepEqual(await fields(), ["miss", "hit", "miss", "hit", "miss", "absent"]);
    await pause(1010);
    const later = await ask(manifest, `/v2/${name}/manifests/${made.digest}`);
    assert.deepEqual(await later(), ["revalidated", "hit"]);
  });
  const errors = (await client.get(missing)).body.length;
  assert.deepEqual(grown, {
    'gantry_upstream_pulls_total{,kind="manifest",result="hit"}': 2,
    'gantry_upstream_pulls_total{,kind="manifest",result="revalidated"}': 1,
    'gantry_upstream_pulls_total{,kind="manifest",result="miss"}': 2,
    'gantry_upstream_pulls_total{,kind="manifest",result="absent"}': 1,
    'gantry_upstream_pulls_total{,kind="blob",result="hit"}': 1,
    'gantry_upstream_pulls_total{,kind="blob",result="miss"}': 1,
    "gantry_upstream_sent_bytes_total{}": 4 * made.bytes.length + 2 * blob.bytes.length + 2 * errors,
    "gantry_upstream_fetched_bytes_total{}": made.bytes.length + blob.bytes.length,
    'gantry_upstream_requests_total{,outcome="success"}': 3,
    'gantry_upstream_requests_total{,outcome="not_found"}': 1,
  });
});

test("clients that follow one fetch are joined, and visible while it runs", async () => {
  const name = newName("library/app");
  const blob = blobOf(3 * mebibyte);
  upstream.addBlob(name, blob);
  upstream.holdAfter = mebibyte;
  const path = `/v2/${name}/blobs/${blob.digest}`;
  let answers: Promise<unknown> = Promise.resolve();
  const running = await during(async () => {
    answers = Promise.all(Array.from({ length: 5 }, () => client.get(path)));
    await eventually("all follow", async () => {
      const text = await (await page()).text();
      return text.includes('gantry_upstream_followers{upstream="docker.io"} 5') || undefined;
    });
  });
  assert.equal(running["gantry_upstream_fetches{}"], 1);
  assert.equal(running["gantry_upstream_followers{}"], 5);
  const ended = await during(async () => {
    upstream.release();
    await answers;
  });
  assert.equal(ended["gantry_upstream_fetches{}"], -1);
  assert.equal(ended["gantry_upstream_followers{}"], -5);
  assert.equal(running['gantry_upstream_pulls_total{,kind="blob",result="joined"}'], 4);
  assert.equal(running['gantry_upstream_pulls_total{,kind="blob",result="miss"}'], 1);
});

test("a rate limit, a stale answer and the pause of the upstream are counted", async () => {
  const { manifest } = repository();
  upstream.misbehave = (_, response) => {
    response.setHeader("ratelimit-limit", "100;w=21600");
    response.setHeader("ratelimit-remaining", "7;w=21600");
    return false;
  };
  const told = await during(async () => {
    await client.get(manifest);
  });
  assert.equal(told["gantry_upstream_rate_remaining{}"], 8, "from -1 to 7");
  upstream.misbehave = (_, response) => !!response.writeHead(429, { "Retry-After": "2" }).end();
  await pause(1010);
  const grown = await during(async () => {
    const fields = await ask(manifest, manifest, manifest);
    assert.deepEqual(await fields(), ["stale", "stale", "stale"]);
  });
  upstream.misbehave = () => false;
  const { "gantry_upstream_sent_bytes_total{}": _, ...others } = grown;
  assert.deepEqual(others, {
    'gantry_upstream_pulls_total{,kind="manifest",result="stale"}': 3,
    'gantry_upstream_requests_total{,outcome="rate_limited"}': 1,
    "gantry_upstream_paused{}": 1,
  });
});

test("a pull causes the events of a pull, and a fetch none", async () => {
  await eventually("the upstream is asked again", async () => {
    const { headers } = await client.get(repository().manifest);
    return headers["docker-content-digest"] !== undefined || undefined;
  });
  const { name, made, blob, manifest, layer } = repository();
  await client.get(manifest);
  await client.get(layer);
  await client.head(layer);
  // Events arrive in order, so those of the fetches would be here before this one.
  const last = newName("team/last");
  await client.pushBlobs(last, blobOf("last"));
  await receiver.eventsOf(last);
  const stored = `docker.io/${name}`;
  assert.deepEqual(
    receiver.taken
      .filter(({ target }) => target.repository.includes(name))
      .map(({ action, target }) => [action, target.repository, target.digest, target.tag]),
    [
      ["pull", stored, made.digest, "1"],
      ["pull", stored, blob.digest, undefined],
      ["pull", stored, blob.digest, undefined],
    ],
  );
});

test("evicted bytes are counted", async () => {
  const name = newName("library/evicted");
  const blob = blobOf(mebibyte);
  upstream.addBlob(name, blob);
  await client.get(`/v2/${name}/blobs/${blob.digest}`);
  let freed = 0;
  const grown = await during(async () => {
    const { code, stdout } = await run(gantry.root, ["cache", "prune", "--max-mib", "0", "--json"]);
    assert.equal(code, 0);
    freed = (JSON.parse(stdout) as { freedBytes: number }).freedBytes;
  });
  assert.ok(freed >= mebibyte);
  assert.equal(grown["gantry_upstream_evicted_bytes_total{}"], freed);
});
