// `gantry cache stats`, `list`, `prune` and `warm`, as in docs/mirror.md: through the running server and on the store alone.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Client } from "../support/client.js";
import { gantry } from "../support/command.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  type Image,
  image,
  manifestOf,
  newName,
  types,
} from "../support/content.js";
import { startInside } from "../support/inside.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const settings = cacheOf(upstream, { ttl: "0s", tagttl: "1h", maxmib: 100 });

async function newStore() {
  const root = await mkdtemp(join(tmpdir(), "gantry-cache-"));
  after(() => rm(root, { recursive: true, force: true }));
  const server = await startInside(settings, root);
  after(() => server.stop());
  return { root, server, client: new Client(server.url) };
}

/** An image at the upstream with one layer of this size. */
function offer(
  layerBytes: number,
  name = newName("library/app"),
  tag = "1",
): { name: string; made: Image; layer: Blob } {
  const layer = blobOf(layerBytes);
  const bare = image({ layers: [descriptorOf(layer, types.layer)] });
  const made = { ...bare, blobs: [...bare.blobs, layer] };
  upstream.add(name, made, tag);
  return { name, made, layer };
}

async function pullAll(
  client: Client,
  { name, made }: { name: string; made: Image },
  tag = "1",
): Promise<void> {
  assert.equal((await client.get(`/v2/${name}/manifests/${tag}`)).status, 200);
  for (const { digest } of made.blobs)
    assert.equal((await client.get(`/v2/${name}/blobs/${digest}`)).status, 200);
  await pause(2);
}

function bytesOf({ made }: { made: Image }): number {
  return made.bytes.length + made.blobs.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

interface Stats {
  bytes: number;
  limitBytes: number;
  upstreams: {
    name: string;
    manifests: number;
    blobs: number;
    bytes: number;
    sharedBytes: number;
    traffic?: { hits: number; misses: number; sentBytes: number; fetchedBytes: number; requests: number };
  }[];
}

test("stats counts content and traffic of the running server, and content without one", async () => {
  const { root, server, client } = await newStore();
  const one = offer(100_000);
  await pullAll(client, one);
  await pullAll(client, one);
  await client.pushBlobs("team/app", one.layer);
  const served = (await gantry(root, ["cache", "stats", "--json"])).json<Stats>();
  const content = {
    name: "docker.io",
    manifests: 1,
    blobs: 2,
    bytes: bytesOf(one),
    sharedBytes: one.layer.bytes.length,
  };
  const [found] = served.upstreams;
  assert.ok(found?.traffic !== undefined);
  const { hits, misses, sentBytes, fetchedBytes, requests } = found.traffic;
  assert.deepEqual(
    { hits, misses, fetchedBytes, requests },
    { hits: 3, misses: 3, fetchedBytes: bytesOf(one), requests: 3 },
  );
  assert.equal(sentBytes, 2 * bytesOf(one));
  for (const [key, value] of Object.entries(content))
    assert.equal(found[key as keyof typeof content], value, key);
  assert.equal(served.bytes, bytesOf(one) - one.layer.bytes.length);
  assert.equal(served.limitBytes, 100 * 1024 * 1024);
  const text = await gantry(root, ["cache", "stats"]);
  assert.match(text.stdout, /^docker\.io +1 +2 /m);
  await server.stop();
  const alone = (await gantry(root, ["cache", "stats", "--json"], settings)).json<Stats>();
  assert.deepEqual(alone.bytes, served.bytes);
  assert.equal(alone.upstreams[0]?.traffic, undefined);
});

test("list names tags with their size and last pull, whether they are fresh, and content without a tag", async () => {
  const { root, client } = await newStore();
  const [one, lone] = [offer(10_000), { name: newName("library/lone"), blob: blobOf(500) }];
  upstream.addBlob(lone.name, lone.blob);
  const before = Date.now();
  await pullAll(client, one);
  await client.get(`/v2/${lone.name}/blobs/${lone.blob.digest}`);
  const ran = await gantry(root, ["cache", "list", "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  const { images } = ran.json<{
    images: {
      repository: string;
      tag?: string;
      digest?: string;
      bytes: number;
      lastUsedAt: string;
      fresh?: boolean;
    }[];
  }>();
  assert.deepEqual(
    images.map(({ repository, tag, digest, bytes, fresh }) => ({ repository, tag, digest, bytes, fresh })),
    [
      {
        repository: `docker.io/${one.name}`,
        tag: "1",
        digest: one.made.digest,
        bytes: bytesOf(one),
        fresh: true,
      },
      {
        repository: `docker.io/${lone.name}`,
        tag: undefined,
        digest: undefined,
        bytes: 500,
        fresh: undefined,
      },
    ],
  );
  for (const { lastUsedAt } of images) assert.ok(Date.parse(lastUsedAt) >= before);
  assert.match(
    (await gantry(root, ["cache", "list"])).stdout,
    new RegExp(`docker.io/${one.name}:1 .* fresh`),
  );
});

test("prune removes by age and by size, and only lists with --dry-run", async () => {
  const { root, client } = await newStore();
  const [old, recent] = [offer(600_000), offer(600_000)];
  await pullAll(client, old);
  await pullAll(client, recent);
  interface Report {
    blobs: number;
    tags: number;
    evicted: { digest: string; why: string }[];
  }
  const prune = async (...words: string[]) =>
    (await gantry(root, ["cache", "prune", "--json", ...words])).json<Report>();
  const dry = await prune("--dry-run", "--max-mib", "1");
  assert.ok(dry.evicted.some(({ digest, why }) => digest === old.layer.digest && why === "limit"));
  upstream.take();
  await pullAll(client, old);
  await pullAll(client, recent);
  assert.deepEqual(upstream.take(), []);
  const bySize = await prune("--max-mib", "1");
  assert.ok(bySize.evicted.some(({ digest }) => digest === old.layer.digest));
  assert.ok(bySize.evicted.every(({ digest }) => digest !== recent.layer.digest));
  assert.equal(bySize.tags, 1);
  await pause(1100);
  const kept = offer(1000);
  await pullAll(client, kept);
  const byAge = await prune("--older-than", "1s");
  assert.ok(byAge.evicted.some(({ digest }) => digest === recent.layer.digest));
  upstream.take();
  await pullAll(client, kept);
  assert.deepEqual(upstream.take(), []);
});

test("prune works without a server, on what an upstream owns, and never on pushed images", async () => {
  const { root, server, client } = await newStore();
  const cached = offer(1000);
  await pullAll(client, cached);
  const pushed = image();
  await client.pushImage("team/app", pushed, "1");
  await server.stop();
  const early = await gantry(
    root,
    ["cache", "prune"],
    cacheOf(upstream, { upstreams: [{ name: "docker.io", prefix: "team" }] }),
  );
  assert.equal(early.code, 2);
  assert.match(early.stderr, /may have been pushed/);
  const report = (await gantry(root, ["cache", "prune", "--max-mib", "0", "--json"], settings)).json<{
    bytes: number;
  }>();
  assert.equal(report.bytes, 0);
  const again = await startInside(settings, root);
  try {
    const { status } = await new Client(again.url).get("/v2/team/app/manifests/1");
    assert.equal(status, 200);
  } finally {
    await again.stop();
  }
});

test("prune refuses wrong options", async () => {
  const { root } = await newStore();
  for (const words of [
    ["--older-than", "soon"],
    ["--max-mib", "-1"],
    ["--upstream", "quay.io"],
  ])
    assert.equal((await gantry(root, ["cache", "prune", ...words])).code, 2, words.join(" "));
});

/** An index of an image for each platform. */
function offerIndex(platforms: readonly string[]) {
  const name = newName("library/multi");
  const parts = platforms.map((platform) => ({
    platform,
    ...offer(2000, name, platform.replaceAll("/", "-")),
  }));
  const index = manifestOf({
    schemaVersion: 2,
    mediaType: types.index,
    manifests: parts.map(({ platform, made }) => {
      const [os, architecture, variant] = platform.split("/");
      return { ...describe(made), platform: { os, architecture, ...(variant && { variant }) } };
    }),
  });
  upstream.add(name, index, "1");
  upstream.take();
  return { name, parts };
}

test("warm fetches all platforms, or one, and clients then cause no request", async () => {
  const { root, client } = await newStore();
  const platforms = ["linux/amd64", "linux/arm64/v8"];
  const whole = offerIndex(platforms);
  const ran = await gantry(root, ["cache", "warm", `${whole.name.slice("library/".length)}:1`]);
  assert.equal(ran.code, 0, ran.stdout);
  assert.match(ran.stdout, /3 manifests and 4 blobs/);
  upstream.take();
  for (const { made, platform } of whole.parts) {
    assert.equal((await client.get(`/v2/${whole.name}/manifests/${made.digest}`)).status, 200, platform);
    for (const { digest } of made.blobs)
      assert.equal((await client.get(`/v2/${whole.name}/blobs/${digest}`)).status, 200);
  }
  assert.deepEqual(upstream.take(), []);
  for (const [platform, message] of [
    ["amd64", "expected a platform such as linux/amd64"],
    ["linux/x86_64", "images name this platform linux/amd64"],
  ] as const) {
    const wrong = await gantry(root, ["cache", "warm", "--platform", platform, "alpine"]);
    assert.deepEqual([wrong.code, wrong.stderr.split("\n")[0]], [2, `gantry: --platform: ${message}`]);
  }
  const part = offerIndex(platforms);
  const one = await gantry(root, ["cache", "warm", "--platform", "linux/arm64", `docker.io/${part.name}:1`]);
  assert.match(one.stdout, /2 manifests and 2 blobs/);
  const [amd64, arm64] = part.parts;
  const asked = upstream.take(part.name).join("\n");
  assert.ok(asked.includes(arm64?.layer.digest ?? "?") && !asked.includes(amd64?.layer.digest ?? "?"), asked);
});

test("warm exits with 1 if an image cannot be fetched, and fetches the others", async () => {
  const { root, server } = await newStore();
  const good = offer(1000);
  const broken = offer(1000);
  upstream.misbehave = ({ path }, response) => {
    if (!path.endsWith(broken.layer.digest)) return false;
    response.writeHead(404).end();
    return true;
  };
  const names = [`${newName("library/none")}:1`, `${broken.name}:1`, `${good.name}:1`, "team/app:1", "x:y:z"];
  const { code, stdout } = await gantry(root, ["cache", "warm", "--json", ...names]);
  upstream.misbehave = () => false;
  assert.equal(code, 1);
  const { images } = JSON.parse(stdout) as { images: { image: string; failure?: string; blobs?: number }[] };
  assert.deepEqual(
    images.map(({ failure, blobs }) => (failure === undefined ? blobs : "failed")),
    ["failed", "failed", 2, "failed", "failed"],
  );
  assert.match(images[3]?.failure ?? "", /belongs to no upstream/);
  await server.stop();
  const alone = await gantry(root, ["cache", "warm", `${good.name}:1`], settings);
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /running server/);
});
