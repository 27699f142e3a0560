// The pages of images: what they show, and that they stay small.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import {
  blobOf,
  describe,
  descriptorOf,
  type Image,
  image,
  imageOf,
  index,
  manifestOf,
  newName,
  types,
} from "../support/content.js";
import { until } from "../support/until.js";
import { pageBytesMax, readPage, textOf } from "./page.js";

const { client } = await serve();

const read = (path: string) => readPage(client, path);

/** An image with two layers and a step without one. */
function builtImage(architecture = "amd64", fields: Record<string, unknown> = {}): Image {
  const layers = [blobOf(100), blobOf(2000)];
  const config = blobOf(
    JSON.stringify({
      architecture,
      os: "linux",
      created: "2026-01-02T03:04:05Z",
      author: "A. Author",
      config: {
        Env: ["PATH=/bin", "MODE=a<b"],
        Entrypoint: ["/entry", "two words"],
        Cmd: ["serve"],
        WorkingDir: "/app",
        User: "nobody",
        StopSignal: "SIGQUIT",
        ExposedPorts: { "8080/tcp": {} },
        Volumes: { "/data": {} },
        Labels: { "org.opencontainers.image.source": "https://git.example.com/app" },
      },
      history: [
        { created: "2026-01-01T00:00:00Z", created_by: "/bin/sh -c #(nop) ADD file:1 in / " },
        { created_by: "ENV MODE=a", empty_layer: true },
        { created_by: "RUN make # buildkit" },
      ],
      rootfs: { type: "layers", diff_ids: layers.map(({ digest }) => digest) },
    }),
  );
  return imageOf(config, layers, fields);
}

test("an image has its layers with their steps, its configuration and commands to pull it", async () => {
  const name = newName("team/app");
  const made = builtImage();
  await client.pushImage(name, made, "v1");
  const page = await read(`/ui/r/${name}/_image/v1`);
  const text = textOf(page);
  for (const part of [
    "ADD file:1 in /",
    "RUN make",
    "ENV MODE=a",
    '/entry "two words"',
    "serve",
    "MODE=a<b",
    "/app",
    "nobody",
    "SIGQUIT",
    "8080/tcp",
    "/data",
    "A. Author",
    "linux/amd64",
    made.digest,
    `docker pull ${new URL(client.url).host}/${name}:v1`,
    `crane pull ${new URL(client.url).host}/${name}@${made.digest}`,
    "No signature, SBOM or attestation is attached.",
  ])
    assert.ok(text.includes(part), `${part} in ${text}`);
  assert.doesNotMatch(text, /# buildkit|nop/);
  assert.match(page, /<a href="https:\/\/git\.example\.com\/app" rel="nofollow noopener noreferrer">/);
  // The step without a layer has no digest; the one after it has the second layer.
  const rows = page.split("<tr>").slice(2);
  assert.equal(rows.filter((row) => row.includes("sha256:")).length, 2);
  assert.match(rows.find((row) => row.includes("RUN make")) ?? "", /2000 bytes/);
  assert.match(page, /href="\.\.\/_history\/v1"/);
});

test("an index has its platforms with their sizes, and each leads back to it", async () => {
  const name = newName("team/multi");
  const children = [builtImage("amd64"), builtImage("arm64")];
  for (const child of children) await client.pushImage(name, child);
  const whole = index(children, {
    manifests: [
      ...children.map((child, number) => ({
        ...describe(child),
        platform: { os: "linux", architecture: ["amd64", "arm64"][number], variant: ["", "v8"][number] },
      })),
    ],
    annotations: { note: "hello" },
  });
  await client.pushImage(name, whole, "v1");
  const page = await read(`/ui/r/${name}/_image/v1`);
  const text = textOf(page);
  assert.match(text, /linux\/amd64/);
  assert.match(text, /linux\/arm64\/v8/);
  assert.match(text, /hello/);
  const [first] = children;
  assert.match(page, new RegExp(`href="\\./${first?.digest}\\?of=v1"`));
  const child = await read(`/ui/r/${name}/_image/${first?.digest}?of=v1`);
  assert.match(child, /<a href="\.\/v1">All platforms<\/a>/);
  const other = await read(`/ui/r/${name}/_image/${whole.digest}?of=v1`);
  assert.doesNotMatch(other, />All platforms</);
});

test("JSON is shown as it is", async () => {
  const name = newName();
  await client.pushImage(name, builtImage(), "v1");
  const manifest = textOf(await read(`/ui/r/${name}/_image/v1?show=manifest`));
  assert.match(manifest, /\n {2}"schemaVersion": 2,\n/);
  assert.match(manifest, /crane manifest/);
  const config = textOf(await read(`/ui/r/${name}/_image/v1?show=config`));
  assert.match(config, /\n {2}"architecture": "amd64",\n/);
});

/** As many namespaces as a name can have. */
const longName = `${"a/".repeat(123)}${newName().slice(0, 9)}`;

test("pages of extreme images stay small", async () => {
  const name = longName;
  const nasty = "\u202e\"<&'".repeat(300);
  const config = blobOf(
    JSON.stringify({
      architecture: nasty,
      os: nasty,
      author: nasty,
      created: nasty,
      config: {
        Env: Array.from({ length: 10_000 }, (_, number) => `${nasty.slice(0, 100)}=${number}`),
        Entrypoint: [nasty, nasty],
        Cmd: [nasty],
        WorkingDir: nasty,
        User: nasty,
        StopSignal: nasty,
        ExposedPorts: { [nasty]: {} },
        Volumes: { [nasty]: {} },
        OnBuild: [nasty],
        Shell: [nasty],
        Healthcheck: { Test: [nasty] },
        Labels: Object.fromEntries(Array.from({ length: 100 }, (_, number) => [`${nasty}${number}`, nasty])),
      },
      history: Array.from({ length: 500 }, () => ({
        created_by: nasty.slice(0, 700),
        created: nasty.slice(0, 100),
      })),
    }),
  );
  const layer = blobOf(10);
  const annotations = Object.fromEntries(
    Array.from({ length: 100 }, (_, number) => [
      `${nasty}${number}`,
      `https://example.com/${"&".repeat(200)}`,
    ]),
  );
  const made = manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, types.config),
      layers: Array.from({ length: 500 }, () => ({
        ...descriptorOf(layer, types.layer),
        annotations: { [nasty.slice(0, 100)]: nasty.slice(0, 500) },
      })),
      annotations,
    },
    [config, layer],
  );
  await client.pushImage(name, made, "v1");
  for (let number = 0; number < 12; number++) {
    const tag = `${number}${"t".repeat(126)}`;
    await client.pushImage(name, made, tag);
    const entry = { ...describe(made), platform: { os: nasty, architecture: nasty } };
    const both = index([], { manifests: [entry] });
    for (const end of ["a", "b", "c"])
      await client.pushImage(name, both, `${tag.slice(1)}${number}${end}`.slice(-128));
  }
  for (let number = 0; number < 20; number++) await client.pushImage(name, attestation(made, `${number}`));
  for (const query of ["", "?from=20", "?show=manifest", "?show=config"]) {
    const page = await read(`/ui/r/${name}/_image/v1${query}`);
    assert.ok(Buffer.byteLength(page) < pageBytesMax, `${query}: ${Buffer.byteLength(page)}`);
    assert.doesNotMatch(page, /too large|too complicated|not in a form/, query);
  }
  const other = await read(`/ui/r/${name}/_image/v1?from=1000000`);
  assert.ok(Buffer.byteLength(other) < pageBytesMax);
});

/** An attestation with four long types. */
function attestation(subject: Image, text: string): Image {
  const layer = blobOf(text);
  const layers = ["a", "b", "c", "d"].map((letter) => ({
    ...descriptorOf(layer, "application/vnd.in-toto+json"),
    annotations: { "in-toto.io/predicate-type": `https://example.com/${letter}${"<&>".repeat(100)}` },
  }));
  const config = blobOf("{}");
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, "application/vnd.oci.empty.v1+json"),
      layers,
      subject: describe(subject),
    },
    [config, layer],
  );
}

test("an index of a thousand platforms has small pages, and leads to each platform", async () => {
  const name = longName;
  const child = builtImage();
  await client.pushImage(name, child);
  const whole = index([child], {
    manifests: Array.from({ length: 1_000 }, (_, number) => ({
      ...describe(child),
      platform: { os: "linux", architecture: `"<&>${"x".repeat(200)}${number}`, variant: "v1" },
      annotations: { note: "x".repeat(100) },
    })),
  });
  const tag = "t".repeat(128);
  await client.pushImage(name, whole, tag);
  for (let number = 0; number < 20; number++) await client.pushImage(name, attestation(whole, `${number}`));
  for (const query of ["", "?from=40", "?from=990", "?from=5000"]) {
    const page = await read(`/ui/r/${name}/_image/${tag}${query}`);
    assert.ok(Buffer.byteLength(page) < pageBytesMax, `${query}: ${Buffer.byteLength(page)}`);
    assert.match(textOf(page), /of 1000/);
  }
});

test("a platform of an index can be asked for by its name", async () => {
  const name = newName();
  const children = [builtImage("amd64"), builtImage("arm64")];
  for (const child of children) await client.pushImage(name, child);
  const whole = index(children, {
    manifests: children.map((child, number) => ({
      ...describe(child),
      platform: [
        { os: "linux", architecture: "amd64" },
        { os: "linux", architecture: "arm64", variant: "v8" },
      ][number],
    })),
  });
  await client.pushImage(name, whole, "v1");
  assert.match(textOf(await read(`/ui/r/${name}/_image/v1?platform=linux/386`)), /All platforms together/);
  const answer = await client.get(`/ui/r/${name}/_image/v1?platform=linux/arm64`);
  assert.equal(answer.status, 303);
  assert.equal(answer.headers.location, `/ui/r/${name}/_image/${children[1]?.digest}?of=v1`);
});

test("an index of blobs, as BuildKit's caches are, has files", async () => {
  const name = newName();
  const [layer, config] = [blobOf(100), blobOf("{}")];
  await client.pushBlobs(name, layer, config);
  const whole = index([], {
    manifests: [
      descriptorOf(layer, types.layer),
      descriptorOf(config, "application/vnd.buildkit.cacheconfig.v0"),
    ],
  });
  await client.pushImage(name, whole, "cache");
  const page = await read(`/ui/r/${name}/_image/cache`);
  assert.match(textOf(page), /Kindbuild cache/);
  assert.doesNotMatch(textOf(page), /Platforms/);
  assert.ok(page.includes(`../_file/${layer.digest}`));
});

test("a layer from elsewhere and a damaged config are named, and the page is there", async () => {
  const name = newName();
  const made = builtImage("amd64", {
    layers: [
      {
        ...descriptorOf(blobOf(10), "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        urls: ["https://example.com/layer"],
      },
    ],
  });
  await client.pushImage(name, made, "v1");
  const text = textOf(await read(`/ui/r/${name}/_image/v1`));
  assert.match(text, /from elsewhere/);
  assert.match(text, /does not show which step made which layer/);
  const config = blobOf("not JSON");
  await client.pushImage(name, imageOf(config, [blobOf(10)]), "v2");
  assert.match(textOf(await read(`/ui/r/${name}/_image/v2`)), /The config is not in a form/);
});

test("an image that is not there is not found", async () => {
  const name = newName();
  await client.pushImage(name, image(), "v1");
  for (const reference of ["v2", "-", `sha256:${"0".repeat(64)}`])
    await until(
      reference,
      async () => (await client.get(`/ui/r/${name}/_image/${reference}`)).status === 404,
    );
});
