// How often an upstream registry is asked: once for all clients that want the same at the same time, whatever they want and
// however slow they are, and seldom when its rate limit runs out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { serve } from "../support/client.js";
import { blobOf, describe, image, newName } from "../support/content.js";
import { download } from "../support/download.js";
import { eventually } from "../support/store.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const tagMilliseconds = 600;
const { gantry, client } = await serve(cacheOf(upstream, { tagttl: `${tagMilliseconds}ms` }));

const mebibyte = 1024 * 1024;
const clients = 24;

function offer() {
  const name = newName("library/app");
  const made = image();
  upstream.add(name, made, "1");
  const [blob] = made.blobs;
  assert.ok(blob !== undefined);
  upstream.take();
  return { name, made, blob };
}

interface Case {
  readonly paths: (offered: ReturnType<typeof offer>) => string;
  readonly method: "get" | "head";
  readonly status: number;
  readonly asked: string;
}

/** What many clients want at the same time, and the one request that it causes. */
const cases: Readonly<Record<string, Case>> = {
  "HEAD of a tag": {
    paths: ({ name }) => `/v2/${name}/manifests/1`,
    method: "head",
    status: 200,
    asked: "GET",
  },
  "a manifest by digest": {
    paths: ({ name, made }) => `/v2/${name}/manifests/${made.digest}`,
    method: "get",
    status: 200,
    asked: "GET",
  },
  "a tag that does not exist": {
    paths: ({ name }) => `/v2/${name}/manifests/none`,
    method: "get",
    status: 404,
    asked: "GET",
  },
  "a manifest that does not exist": {
    paths: ({ name }) => `/v2/${name}/manifests/${blobOf(1).digest}`,
    method: "get",
    status: 404,
    asked: "GET",
  },
  "a blob that does not exist": {
    paths: ({ name }) => `/v2/${name}/blobs/${blobOf(9).digest}`,
    method: "get",
    status: 404,
    asked: "GET",
  },
  "HEAD of a blob that does not exist": {
    paths: ({ name }) => `/v2/${name}/blobs/${blobOf(9).digest}`,
    method: "head",
    status: 404,
    asked: "HEAD",
  },
  "referrers of a manifest": {
    paths: ({ name, made }) => `/v2/${name}/referrers/${made.digest}`,
    method: "get",
    status: 200,
    asked: "GET",
  },
};

for (const [what, { paths, method, status, asked }] of Object.entries(cases))
  test(`${what}: ${clients} clients cause one request`, async () => {
    const path = paths(offer());
    const answers = await Promise.all(Array.from({ length: clients }, () => client[method](path)));
    assert.deepEqual([...new Set(answers.map((answer) => answer.status))], [status]);
    assert.deepEqual(upstream.take(), [`${asked} ${path}`]);
  });

test("tags of a repository: many clients cause one request", async () => {
  const { name } = offer();
  await Promise.all(Array.from({ length: clients }, () => client.get(`/v2/${name}/tags/list`)));
  assert.equal(upstream.take("/tags/list").length, 1);
});

test("a client that does not read neither slows the fetch nor the other clients", async () => {
  const name = newName("library/app");
  const blob = blobOf(24 * mebibyte);
  upstream.addBlob(name, blob);
  upstream.take();
  const path = `/v2/${name}/blobs/${blob.digest}`;
  const slow = await download(`${gantry.url}${path}`, 1);
  slow.pause();
  const { body } = await client.get(path);
  assert.ok(body.equals(blob.bytes));
  assert.ok(slow.bytes() < blob.bytes.length, "the first client has not read the blob");
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  slow.destroy();
});

test("below a tenth of the rate limit, no tag is compared before a client needs it", async () => {
  const { name } = offer();
  const path = `/v2/${name}/manifests/1`;
  const withRemaining = async (remaining: number) => {
    upstream.misbehave = (_, response) => {
      response.setHeader("ratelimit-limit", "100;w=21600");
      response.setHeader("ratelimit-remaining", `${remaining};w=21600`);
      return false;
    };
    await pause(tagMilliseconds + 20);
    assert.equal((await client.get(path)).status, 200);
    upstream.take();
    // In the last fifth of its time.
    await pause(tagMilliseconds * 0.85);
    assert.equal((await client.get(path)).status, 200);
  };
  await withRemaining(50);
  await eventually("the comparison in the background", () => upstream.take(path).length || undefined);
  await withRemaining(9);
  await pause(100);
  assert.deepEqual(upstream.take(), []);
  upstream.misbehave = () => false;
});

test("an upstream that allows 100 requests and then answers 429 fails no job whose image has been pulled before", async () => {
  const { name, made } = offer();
  let left = 100;
  upstream.misbehave = (_, response) => {
    if (left-- > 0) return false;
    response.writeHead(429, { "Retry-After": "3600" }).end();
    return true;
  };
  const job = async () => {
    const statuses = [(await client.get(`/v2/${name}/manifests/1`)).status];
    for (const { digest } of [...made.blobs, describe(made)]) {
      const kind = digest === made.digest ? "manifests" : "blobs";
      statuses.push((await client.get(`/v2/${name}/${kind}/${digest}`)).status);
    }
    return statuses.every((status) => status === 200);
  };
  const first = await Promise.all(Array.from({ length: 131 }, job));
  left = 0;
  await pause(tagMilliseconds + 20);
  const later = await Promise.all(Array.from({ length: 131 }, job));
  upstream.misbehave = () => false;
  assert.deepEqual([first.filter((done) => !done).length, later.filter((done) => !done).length], [0, 0]);
  assert.ok(upstream.take(name).length < 10, "far fewer than 100 requests");
});

test("one client causes a bounded number of requests at once, and does not hold up another one", async () => {
  const { client: others } = await serve({
    ...cacheOf(upstream, { absentttl: "0s" }),
    REGISTRY_HTTP_TRUSTEDPROXIES: '["127.0.0.1"]',
  });
  const by = (address: string) => ({ "X-Forwarded-For": address });
  const held = newName("library/held");
  let running = 0;
  let most = 0;
  const released: (() => void)[] = [];
  upstream.misbehave = async ({ path }, response) => {
    if (!path.includes(held)) return false;
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => released.push(resolve));
    running--;
    return !!response.writeHead(404).end();
  };
  const greedy = Array.from({ length: 60 }, (_, tag) =>
    others.get(`/v2/${held}/manifests/t${tag}`, by("192.0.2.1")),
  );
  await eventually("32 requests", () => (running === 32 ? true : undefined));
  const { name } = offer();
  assert.equal((await others.get(`/v2/${name}/manifests/1`, by("192.0.2.2"))).status, 200);
  const releasing = setInterval(() => {
    for (const release of released.splice(0)) release();
  }, 5);
  const answers = await Promise.all(greedy);
  clearInterval(releasing);
  upstream.misbehave = () => false;
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [404]);
  assert.equal(most, 32);
});
