// Blobs of an upstream registry: fetched once for all, followed while they arrive, verified before they are complete.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, serve } from "../support/client.js";
import { blobOf, descriptorOf, image, newName, types } from "../support/content.js";
import { type Download, download as downloadOf } from "../support/download.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const { gantry, client } = await serve(cacheOf(upstream, { absentttl: "100ms" }));

const mebibyte = 1024 * 1024;

/** A repository of the upstream with one large blob. */
function large(bytes = 5 * mebibyte + 77) {
  const name = newName("library/app");
  const blob = blobOf(bytes);
  upstream.addBlob(name, blob);
  upstream.take();
  return { name, blob, path: `/v2/${name}/blobs/${blob.digest}` };
}

/** Begins a download, and resolves with what has arrived when `bytes` have, or when it ends. */
function download(path: string, bytes?: number): Promise<Download> {
  return downloadOf(`${gantry.url}${path}`, bytes);
}

test("many clients of a cold blob cause one request, and get all bytes", async () => {
  const { blob, path } = large();
  const answers = await Promise.all(Array.from({ length: 32 }, () => client.get(path)));
  for (const { status, body } of answers) {
    assert.equal(status, 200);
    assert.ok(body.equals(blob.bytes));
  }
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  const warm = await client.get(path);
  assert.ok(warm.body.equals(blob.bytes));
  assert.deepEqual(upstream.take(), []);
});

test("readers get bytes while the upstream still sends", async () => {
  const { blob, path } = large();
  upstream.holdAfter = 3 * mebibyte;
  const reading = await download(path, 3 * mebibyte);
  assert.ok(reading.received.equals(blob.bytes.subarray(0, 3 * mebibyte)));
  const ranged = await client.get(path, { Range: `bytes=${2 * mebibyte}-${2 * mebibyte + 9}` });
  assert.equal(ranged.status, 206);
  assert.ok(ranged.body.equals(blob.bytes.subarray(2 * mebibyte, 2 * mebibyte + 10)));
  const later = client.get(path, { Range: "bytes=-10" });
  upstream.release();
  assert.ok((await reading.ended).equals(blob.bytes));
  assert.ok((await later).body.equals(blob.bytes.subarray(-10)));
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
});

test("HEAD tells the size of a blob that is arriving, and of one that is only upstream", async () => {
  const arriving = large();
  upstream.holdAfter = mebibyte;
  const reading = await download(arriving.path, mebibyte);
  assert.equal(
    (await client.head(arriving.path)).headers["content-length"],
    String(arriving.blob.bytes.length),
  );
  upstream.release();
  await reading.ended;
  const cold = large();
  const heads = await Promise.all(Array.from({ length: 8 }, () => client.head(cold.path)));
  for (const { status, headers } of heads)
    assert.deepEqual([status, headers["content-length"]], [200, String(cold.blob.bytes.length)]);
  assert.deepEqual(upstream.take(), [`HEAD ${cold.path}`]);
});

test("the first client may disconnect: the others get all bytes, by the same request", async () => {
  const { blob, path } = large();
  upstream.holdAfter = mebibyte;
  const first = await download(path, mebibyte);
  const second = await download(path, mebibyte);
  first.destroy();
  upstream.release();
  assert.ok((await second.ended).equals(blob.bytes));
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
});

test("a broken connection is resumed where it broke", async () => {
  const { blob, path } = large();
  upstream.holdAfter = 2 * mebibyte;
  const reading = await download(path, mebibyte);
  upstream.holdAfter = Number.POSITIVE_INFINITY;
  upstream.cut();
  assert.ok((await reading.ended).equals(blob.bytes));
  const [, resumed] = upstream.requests;
  assert.match(resumed?.headers.range ?? "", /^bytes=\d{7}-$/);
  assert.equal(upstream.take().length, 2);
});

test("readers of wrong bytes get a broken connection, and nothing is stored", async () => {
  const { name, blob } = large();
  const wrong = blobOf(blob.bytes.length);
  upstream.addBlob(name, { digest: wrong.digest, bytes: blob.bytes });
  const path = `/v2/${name}/blobs/${wrong.digest}`;
  const { received, ended } = await download(path);
  await assert.rejects(ended);
  assert.ok(received.length < blob.bytes.length);
  upstream.addBlob(name, wrong);
  const { body } = await client.get(path);
  assert.ok(body.equals(wrong.bytes));
});

test("a small blob with wrong bytes gets 502, with the name of the upstream", async () => {
  const name = newName("library/small");
  const { digest } = blobOf("right");
  upstream.addBlob(name, { digest, bytes: Buffer.from("wrong") });
  const answer = await client.get(`/v2/${name}/blobs/${digest}`);
  assert.equal(answer.status, 502);
  assert.match(messageOf(answer), /docker\.io/);
});

test("a missing blob is asked for once in its time", async () => {
  const name = newName("library/none");
  const path = `/v2/${name}/blobs/${blobOf(10).digest}`;
  upstream.take();
  for (let count = 0; count < 5; count++) assert.equal((await client.get(path)).status, 404);
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal((await client.get(path)).status, 404);
  assert.deepEqual(upstream.take(), [`GET ${path}`]);
});

test("content that another repository has is not shown without asking the upstream", async () => {
  const { blob } = large();
  const secret = newName("team/secret");
  await client.pushBlobs(secret, blob);
  const elsewhere = newName("library/other");
  assert.equal((await client.get(`/v2/${elsewhere}/blobs/${blob.digest}`)).status, 404);
});

test("a fetched image is stored like a pushed one, and its blobs are shared", async () => {
  const layer = blobOf(100_000);
  const made = { ...image({ layers: [descriptorOf(layer, types.layer)] }) };
  const name = newName("library/whole");
  upstream.add(name, { ...made, blobs: [...made.blobs, layer] }, "1");
  const local = newName("team/copy");
  await client.get(`/v2/${name}/manifests/1`);
  for (const { digest } of [...made.blobs, layer]) await client.get(`/v2/${name}/blobs/${digest}`);
  const mounted = await client.request(
    "POST",
    `/v2/${local}/blobs/uploads/?mount=${layer.digest}&from=${name}`,
    { body: "" },
  );
  assert.equal(mounted.status, 201);
});

function messageOf(answer: Answer): string {
  const { errors } = answer.json() as { errors: { message: string }[] };
  return errors[0]?.message ?? "";
}
