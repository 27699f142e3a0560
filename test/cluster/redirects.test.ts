// Which clients are sent to the bucket for a blob, by their network.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { blobOf } from "../support/content.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

const near = ["10.1.2.3", "2001:db8::7"];
const excepted = "10.9.0.1";
const far = ["192.0.2.1", "2001:db9::1"];

const list = (...ranges: string[]) => JSON.stringify(ranges);

for (const [what, settings, redirected, served] of [
  ["all clients by default", {}, [...near, excepted, ...far], []],
  [
    "only clients of the named networks, without the excepted ones",
    {
      REGISTRY_STORAGE_REDIRECT_NETWORKS: list("10.0.0.0/8", "2001:db8::/32"),
      REGISTRY_STORAGE_REDIRECT_EXCEPTNETWORKS: list("10.9.0.0/16"),
    },
    near,
    [excepted, ...far],
  ],
  [
    "all clients but the excepted ones",
    { REGISTRY_STORAGE_REDIRECT_EXCEPTNETWORKS: list("10.9.0.0/16") },
    [...near, ...far],
    [excepted],
  ],
  [
    "nobody if redirects are disabled",
    { REGISTRY_STORAGE_REDIRECT_DISABLE: "true", REGISTRY_STORAGE_REDIRECT_NETWORKS: list("10.0.0.0/8") },
    [],
    [...near, excepted, ...far],
  ],
] as const)
  test(`a blob in a bucket redirects ${what}`, { skip: needsVersitygw }, async () => {
    await using server = await startS3Server();
    const trusted = { REGISTRY_HTTP_TRUSTEDPROXIES: list("127.0.0.1") };
    await using node = await startS3Node(server, { settings: { ...trusted, ...settings } });
    const client = new Client(node.url);
    const blob = blobOf(100_000);
    const pushed = await client.request("POST", `/v2/app/blobs/uploads/?digest=${blob.digest}`, {
      body: blob.bytes,
    });
    assert.equal(pushed.status, 201);
    // Twice and mixed: an address that is kept for one client must not reach another.
    for (const address of [...redirected, ...served, ...redirected, ...served]) {
      const pulled = await client.get(`/v2/app/blobs/${blob.digest}`, { "x-forwarded-for": address });
      const isRedirected = (redirected as readonly string[]).includes(address);
      assert.equal(pulled.status, isRedirected ? 307 : 200, address);
      if (!isRedirected) assert.ok(pulled.body.equals(blob.bytes));
      else {
        const followed = await fetch(String(pulled.headers.location));
        assert.ok(Buffer.from(await followed.arrayBuffer()).equals(blob.bytes));
      }
    }
  });

test("a range that is none is refused", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  const settings = { REGISTRY_STORAGE_REDIRECT_NETWORKS: list("10.0.0.0/33") };
  await assert.rejects(
    startS3Node(server, { settings }),
    /storage\.redirect\.networks.*expected an address or a range/s,
  );
});

test("several ranges of a blob in a bucket are answered by the node", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  await using node = await startS3Node(server);
  const client = new Client(node.url);
  const blob = blobOf(300_000);
  const path = `/v2/app/blobs/${blob.digest}`;
  await client.pushBlobs("app", blob);
  assert.equal((await client.get(path, { Range: "bytes=0-1" })).status, 307);
  const { status, headers, body } = await client.get(path, { Range: "bytes=0-1,200000-200001" });
  assert.equal(status, 206);
  assert.match(String(headers["content-type"]), /^multipart\/byteranges/);
  assert.ok(body.includes(blob.bytes.subarray(200_000, 200_002)));
});
