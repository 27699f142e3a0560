// The pages of artifacts: charts, files, signatures, attestations and SBOMs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { serve } from "../support/client.js";
import {
  type Blob,
  blobOf,
  describe,
  descriptorOf,
  digestOf,
  type Fields,
  type Image,
  image,
  index,
  manifestOf,
  newName,
  types,
} from "../support/content.js";
import { tarball } from "./hostile-content.js";
import { pageBytesMax, readPage, textOf } from "./page.js";

const { client } = await serve();

const read = (path: string) => readPage(client, path);

const empty = blobOf("{}");
const emptyType = "application/vnd.oci.empty.v1+json";

interface Layer {
  readonly content: Blob;
  readonly type: string;
  readonly annotations?: Record<string, string>;
}

function artifact(layers: readonly Layer[], fields: Fields = {}, config = empty): Image {
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, emptyType),
      layers: layers.map(({ content, type, annotations }) => ({
        ...descriptorOf(content, type),
        ...(annotations && { annotations }),
      })),
      ...fields,
    },
    [config, ...layers.map(({ content }) => content)],
  );
}

function bytesBlob(bytes: Buffer): Blob {
  return { bytes, digest: digestOf(bytes) };
}

function chartOf(archive: Buffer): Image {
  const config = blobOf(
    JSON.stringify({
      apiVersion: "v2",
      name: "web",
      version: "1.2.3+build",
      appVersion: "9.9",
      description: "Serves the web",
      deprecated: true,
      home: "https://example.com/web",
      maintainers: [{ name: "Ann", email: "ann@example.com" }],
      dependencies: [
        { name: "redis", version: "^1", repository: "oci://example.com/charts", condition: "redis.on" },
      ],
    }),
  );
  const layer = { content: bytesBlob(archive), type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip" };
  return artifact(
    [layer],
    { config: descriptorOf(config, "application/vnd.cncf.helm.config.v1+json") },
    config,
  );
}

test("a chart has its metadata, README and values", async () => {
  const name = newName("charts/web");
  const archive = tarball({
    "web/Chart.yaml": "name: web",
    "web/charts/redis/README.md": "# not this one",
    "web/values.yaml": "replicas: 3 # <three>",
    "web/README.md":
      "# Web\n\nA [link](https://example.com/) and [another](javascript:alert(1)).\n\n<b>bold</b>",
  });
  await client.pushImage(name, chartOf(archive), "1.2.3_build");
  const page = await read(`/ui/r/${name}/_image/1.2.3_build`);
  const text = textOf(page);
  for (const part of [
    "Serves the web",
    "This chart is deprecated.",
    "Ann",
    "redis.on",
    "oci://example.com/charts",
    "replicas: 3 # <three>",
    "<b>bold</b>",
    `helm pull oci://${new URL(client.url).host}/${name} --version 1.2.3+build`,
  ])
    assert.ok(text.includes(part), `${part} in ${text}`);
  assert.match(page, /<h3>Web<\/h3>/);
  assert.match(page, /<a href="https:\/\/example\.com\/" rel="nofollow noopener noreferrer">link<\/a>/);
  assert.doesNotMatch(page, /href="javascript|not this one/);
});

test("a chart that is no archive, expands to a gigabyte or lies about its files still has a page", async () => {
  const name = newName("charts/bad");
  const zeros = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const bomb = gzipSync(Buffer.concat(Array.from({ length: 600 }, () => Buffer.from(`${"0".repeat(1024)}`))));
  for (const [tag, archive] of Object.entries({
    text: Buffer.from("no archive"),
    zeros,
    bomb,
    cut: tarball({ "web/README.md": "# hello".repeat(10_000) }).subarray(0, 60),
  })) {
    await client.pushImage(name, chartOf(archive), tag);
    const page = await read(`/ui/r/${name}/_image/${tag}`);
    assert.match(textOf(page), /Serves the web/);
    assert.doesNotMatch(page, /<h2>README/);
  }
});

test("a long README is shown in parts, each on a small page", async () => {
  const name = newName("charts/long");
  const archive = tarball({
    "web/README.md": Array.from({ length: 3_000 }, (_, number) => `# ${number} "<&>"\n\n- a\n- b`).join(
      "\n\n",
    ),
    "web/values.yaml": '"<&>": 1\n'.repeat(5_000),
  });
  await client.pushImage(name, chartOf(archive), "v1");
  for (const query of ["", "?readme=2", "?readme=4", "?readme=99"]) {
    const page = await read(`/ui/r/${name}/_image/v1${query}`);
    assert.match(textOf(page), /Part [1-9] of [4-9]/);
    assert.ok(Buffer.byteLength(page) < pageBytesMax, `${query}: ${Buffer.byteLength(page)}`);
  }
});

test("a page of a chart with much of everything is small", async () => {
  const name = newName("charts/extreme");
  const long = '"<&>'.repeat(200);
  const many = <T>(item: (number: number) => T) => Array.from({ length: 100 }, (_, number) => item(number));
  const config = blobOf(
    JSON.stringify({
      apiVersion: "v2",
      name: long,
      version: long,
      appVersion: long,
      description: long,
      type: long,
      kubeVersion: long,
      home: `https://example.com/${long}`,
      sources: many((number) => `https://example.com/${number}${long}`),
      keywords: many(() => long),
      maintainers: many(() => ({ name: long, email: long, url: `https://example.com/${long}` })),
      dependencies: many(() => ({ name: long, version: long, repository: long, condition: long })),
    }),
  );
  const archive = tarball({
    "web/README.md": many((number) => `# ${number} ${long}`).join("\n\n"),
    "web/values.yaml": long.repeat(100),
  });
  const layers = [
    { content: bytesBlob(archive), type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip" },
    ...many((number) => ({
      content: blobOf("file"),
      type: `application/${"x".repeat(100)}`,
      annotations: { "org.opencontainers.image.title": `${number}${long}` },
    })),
  ];
  const chart = artifact(
    layers,
    {
      config: descriptorOf(config, "application/vnd.cncf.helm.config.v1+json"),
      annotations: Object.fromEntries(many((number) => [`com.example.${number}`, long])),
    },
    config,
  );
  await client.pushImage(name, chart, "v1");
  for (let number = 0; number < 20; number++) {
    const statements = ["a", "b", "c", "d"].map((letter) => ({
      content: blobOf(`statement ${number}`),
      type: "application/vnd.in-toto+json",
      annotations: { "in-toto.io/predicate-type": `https://example.com/${letter}${long}` },
    }));
    await client.pushImage(name, artifact(statements, { subject: describe(chart) }));
  }
  for (const query of ["", "?readme=2", "?from=1"]) {
    const page = await read(`/ui/r/${name}/_image/v1${query}`);
    const text = textOf(page);
    for (const heading of ["README", "Values", "Dependencies", "Files", "Annotations", "Attached"])
      assert.ok(text.includes(heading), heading);
    assert.equal(page.match(/https:\/\/example\.com\/d/g)?.length, 10);
    assert.ok(Buffer.byteLength(page) < pageBytesMax, `${query}: ${Buffer.byteLength(page)}`);
  }
});

test("files have names and can be downloaded, but not shown by a browser", async () => {
  const name = newName("files/docs");
  const content = blobOf("<script>alert(1)</script>");
  const made = artifact(
    [
      {
        content,
        type: "text/html",
        annotations: { "org.opencontainers.image.title": "../docs/a\u202eb.html" },
      },
    ],
    { artifactType: "application/vnd.example.docs" },
  );
  await client.pushImage(name, made, "v1");
  const page = await read(`/ui/r/${name}/_image/v1`);
  assert.match(textOf(page), /a\\u202eb\.html/);
  assert.match(page, new RegExp(`href="\\.\\./_file/${content.digest}" download="a_u202eb\\.html"`));
  assert.match(textOf(page), /oras pull /);
  const answer = await client.get(`/ui/r/${name}/_file/${content.digest}`);
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, content.bytes);
  assert.equal(answer.headers["content-disposition"], "attachment");
  assert.equal(answer.headers["content-type"], "application/octet-stream");
  assert.equal(answer.headers["x-content-type-options"], "nosniff");
  assert.match(String(answer.headers["content-security-policy"]), /^sandbox/);
  const part = await client.get(`/ui/r/${name}/_file/${content.digest}`, { Range: "bytes=1-6" });
  assert.equal(part.status, 206);
  assert.equal(part.body.toString(), "script");
  const missing = await client.get(`/ui/r/${name}/_file/sha256:${"0".repeat(64)}`);
  assert.equal(missing.status, 404);
});

const statement = {
  _type: "https://in-toto.io/Statement/v1",
  predicateType: "https://slsa.dev/provenance/v1",
  subject: [{ name: "app", digest: { sha256: "0".repeat(64) } }],
  predicate: {},
};

const spdx = {
  spdxVersion: "SPDX-2.3",
  packages: Array.from({ length: 1_500 }, (_, number) => ({
    name: `package-${number}`,
    versionInfo: `1.${number}`,
    licenseConcluded: number === 0 ? "MIT" : "NOASSERTION",
  })),
};

test("signatures, attestations and SBOMs are named on the page of their subject, and have pages", async () => {
  const name = newName("team/signed");
  const subject = image();
  await client.pushImage(name, subject, "v1");
  assert.match(
    textOf(await read(`/ui/r/${name}/_image/v1`)),
    /No signature, SBOM or attestation is attached/,
  );
  const signature = artifact([{ content: blobOf("{}"), type: "application/jose+json" }], {
    artifactType: "application/vnd.cncf.notary.signature",
    subject: describe(subject),
  });
  const sbom = artifact([{ content: blobOf(JSON.stringify(spdx)), type: "application/spdx+json" }], {
    artifactType: "application/spdx+json",
    subject: describe(subject),
  });
  const envelope = { payloadType: "application/vnd.in-toto+json", payload: btoa(JSON.stringify(statement)) };
  const attestation = artifact(
    [{ content: blobOf(JSON.stringify(envelope)), type: "application/vnd.dsse.envelope.v1+json" }],
    { artifactType: "application/vnd.in-toto+json", subject: describe(subject) },
  );
  for (const one of [signature, sbom, attestation]) await client.pushImage(name, one);
  const page = await read(`/ui/r/${name}/_image/v1`);
  assert.match(textOf(page), /Signed: a signature exists; Gantry has not verified it\./);
  for (const { digest } of [signature, sbom, attestation])
    assert.ok(page.includes(`href="./${digest}"`), digest);
  const stated = textOf(await read(`/ui/r/${name}/_image/${attestation.digest}`));
  assert.match(stated, /states https:\/\/slsa\.dev\/provenance\/v1/);
  const packages = await read(`/ui/r/${name}/_image/${sbom.digest}`);
  assert.match(textOf(packages), /SPDX-2\.3, 1500 packages/);
  assert.match(textOf(packages), /package-01\.0MIT/);
  assert.ok(Buffer.byteLength(packages) < pageBytesMax);
  const next = /href="\?packages=(\d+)"/.exec(packages)?.[1];
  assert.match(
    textOf(await read(`/ui/r/${name}/_image/${sbom.digest}?packages=${next}`)),
    new RegExp(`package-${next}`),
  );
  assert.match(textOf(packages), /Attached to/);
});

test("what cosign stores under a tag counts as attached", async () => {
  const name = newName("team/cosigned");
  const subject = image();
  await client.pushImage(name, subject, "v1");
  const signature = manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(empty, types.config),
      layers: [descriptorOf(empty, "application/vnd.dev.cosign.simplesigning.v1+json")],
    },
    [empty],
  );
  await client.pushImage(name, signature, `${subject.digest.replace(":", "-")}.sig`);
  assert.match(textOf(await read(`/ui/r/${name}/_image/v1`)), /Signed: a signature exists/);
});

test("BuildKit's attestations belong to their platform", async () => {
  const name = newName("team/attested");
  const child = image();
  const attestation = manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(empty, types.config),
      layers: [
        {
          ...descriptorOf(empty, "application/vnd.in-toto+json"),
          annotations: { "in-toto.io/predicate-type": "https://spdx.dev/Document" },
        },
      ],
    },
    [empty],
  );
  const whole = index([child, attestation], {
    manifests: [
      { ...describe(child), platform: { os: "linux", architecture: "amd64" } },
      {
        ...describe(attestation),
        platform: { os: "unknown", architecture: "unknown" },
        annotations: {
          "vnd.docker.reference.type": "attestation-manifest",
          "vnd.docker.reference.digest": child.digest,
        },
      },
    ],
  });
  for (const one of [child, attestation]) await client.pushImage(name, one);
  await client.pushImage(name, whole, "v1");
  const page = await read(`/ui/r/${name}/_image/v1`);
  assert.doesNotMatch(textOf(page), /unknown\/unknown/);
  assert.ok(page.includes(`href="./${attestation.digest}"`));
  const own = textOf(await read(`/ui/r/${name}/_image/${attestation.digest}`));
  assert.match(own, /Kindattestation/);
  assert.match(own, /states https:\/\/spdx\.dev\/Document/);
});
