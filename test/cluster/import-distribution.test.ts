/**
 * `gantry import --from-distribution` with a bucket of CNCF distribution 3. Within one store, the store copies the blobs and
 * hashes them while it does; from another store they are streamed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { S3Client } from "../../src/storage/s3/client.js";
import { copyObject } from "../../src/storage/s3/copy.js";
import { S3Requests } from "../../src/storage/s3/requests.js";
import { needs, temporaryFolder } from "../clients/support.js";
import { Remote } from "../clients/verify.js";
import { commandsOf, exampleOf } from "../documents/page.js";
import { gantryProcess, type Ran } from "../support/command.js";
import { startBucketDistribution } from "../support/distribution-s3.js";
import { startGantry } from "../support/gantry.js";
import { assertServed, fill, type Pushed } from "../support/moved-content.js";
import { bucketFile, startS3Node } from "../support/s3-node.js";
import type { S3Request } from "../support/s3-requests.js";
import { needsMinio, needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";

const programs = needs("registry", "crane", "oras");

/** Of the content that `fill` pushes, with the list of referrers by tag that oras pushes to this registry. */
const manifests = 13;

const rootdirectory = "registries/one";

function reportOf(ran: Ran, code = 0): ImportReport {
  assert.equal(ran.code, code, `${ran.stdout}\n${ran.stderr}`);
  return ran.json<ImportReport>();
}

/** Creates another bucket of the server. Returns a client of it. */
async function newBucket(server: S3Server, bucket: string): Promise<S3Client> {
  const { place, limits } = server.client().requests;
  const credentials = async () => ({ accessKeyId: server.accessKey, secretAccessKey: server.secretKey });
  const client = new S3Client(new S3Requests({ ...place, bucket }, limits, credentials));
  await client.requests.send({ method: "PUT", key: "", expected: [200] });
  return client;
}

/** Where distribution has the bytes of a digest. */
function dataKey(hex: string): string {
  return `${rootdirectory}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`;
}

/** The digests of distribution's blobs whose bytes were requested. */
function downloaded(requests: readonly S3Request[]): Set<string> {
  const data = /\/blobs\/sha256\/\w\w\/(\w{64})\/data/;
  const digests = requests.flatMap(({ operation, path }) =>
    operation === "GetObject" ? (data.exec(decodeURIComponent(path))?.[1] ?? []) : [],
  );
  return new Set(digests);
}

/** The digests of manifests and of blobs below the references, and that of a layer of `tools/lint:latest`. */
async function digestsOf(
  url: string,
  pushed: Pushed,
): Promise<{ manifests: Set<string>; blobs: Set<string>; layer: string }> {
  const found = { manifests: new Set<string>(), blobs: new Set<string>(), layer: "" };
  const hex = (digest: string) => digest.slice("sha256:".length);
  interface Body {
    readonly config?: { digest: string };
    readonly layers?: readonly { digest: string }[];
    readonly manifests?: readonly { digest: string }[];
  }
  const walk = async (name: string, digest: string): Promise<void> => {
    found.manifests.add(hex(digest));
    const body = (await new Remote(url, name).json(`manifests/${digest}`)) as Body;
    for (const blob of [body.config, ...(body.layers ?? [])])
      if (blob !== undefined) found.blobs.add(hex(blob.digest));
    for (const child of body.manifests ?? []) await walk(name, child.digest);
  };
  await walk("team/app", pushed.multi);
  for (const digest of [pushed.untagged, pushed.retagged]) await walk("tools/lint", digest);
  const { layers } = (await new Remote(url, "tools/lint").json(`manifests/${pushed.retagged}`)) as Body;
  found.layer = hex(layers?.[0]?.digest ?? "");
  for (const digest of [pushed.artifact, pushed.signature]) await walk("oras/artifact", digest);
  return found;
}

/** The command of docs/migrating.md with the test's settings files, as words for the program. */
async function words(target: string, source: string): Promise<string[]> {
  const text = await exampleOf("docs/migrating.md", "From CNCF distribution's bucket", "gantry import");
  const [command = "", ...others] = commandsOf({ text });
  assert.deepEqual(others, []);
  const [program, ...found] = command
    .replace("bucket.yml", target)
    .replace("/etc/distribution/config.yml", source)
    .split(" ");
  assert.equal(program, "gantry");
  return [...found, "--json"];
}

for (const [engine, missing] of [
  ["versitygw", needsVersitygw],
  ["minio", needsMinio],
] as const)
  test(`distribution's bucket in ${engine} is imported`, { skip: programs || missing }, async (context) => {
    await using folder = await temporaryFolder();
    await using s3 = await startS3Server(engine);
    const path = (name: string) => join(folder.path, name);
    const old = await newBucket(s3, "old");
    context.after(() => old.close());
    const [apart, beside] = [path("apart.yml"), path("beside.yml")];
    let pushed: Pushed;
    {
      await using registry = await startBucketDistribution(s3, apart, { bucket: "old", rootdirectory });
      pushed = await fill(folder.path, registry.host);
    }
    {
      // The same content in the bucket of the target.
      await using _ = await startBucketDistribution(s3, beside, { bucket: s3.bucket, rootdirectory });
      for await (const { key, size } of old.list(""))
        assert.ok(await copyObject(s3.client(), { bucket: "old", key }, size, key));
    }
    const runImport = async (target: string, source: string) =>
      gantryProcess(folder.path, await words(target, source));
    const serve = (prefix: string) =>
      startS3Node(s3, { settings: { REGISTRY_STORAGE_S3_ROOTDIRECTORY: prefix } });
    let layer = "";

    for (const [where, source] of [
      ["another bucket of the store", apart],
      ["the same bucket", beside],
    ] as const)
      await context.test(`from ${where}, no blob is downloaded`, async () => {
        const prefix = `new/${where.replaceAll(" ", "-")}`;
        const target = await bucketFile(s3, path("bucket.yml"), prefix);
        await s3.resetRequests();
        const report = reportOf(await runImport(target, source));
        const requests = await s3.requests();
        assert.deepEqual([report.problems, report.odd], [[], []]);
        assert.deepEqual(report.manifests, { imported: manifests, there: 0 });
        assert.deepEqual([report.tags.imported, report.tags.referrers], [6, 1]);
        await using node = await serve(prefix);
        await assertServed(node.url, pushed);
        const digests = await digestsOf(node.url, pushed);
        layer = digests.layer;
        const { copiedInStore, streamed } = report.blobs;
        assert.deepEqual([copiedInStore.count, streamed.count], [digests.blobs.size, 0]);
        const read = downloaded(requests);
        const blobsRead = [...read].filter((digest) => digests.blobs.has(digest));
        assert.deepEqual(blobsRead, []);
        for (const digest of digests.manifests) assert.ok(read.has(digest), "the manifests are read");
        const copies = requests.filter(({ operation }) => operation === "CopyObject");
        assert.equal(copies.length, digests.blobs.size, "each blob once, also that of two repositories");
        const again = reportOf(await runImport(target, source));
        assert.deepEqual(again.manifests, { imported: 0, there: manifests });
        assert.equal(again.blobs.copiedInStore.count, 0);
      });

    await context.test(
      "a damaged blob is found by the store, and left out until it is repaired",
      async () => {
        const target = await bucketFile(s3, path("bucket.yml"), "new/repaired");
        const found = await old.get(dataKey(layer), 64 * 1024 * 1024);
        assert.ok(found);
        const damaged = Buffer.from(found.bytes);
        damaged.writeUInt8(damaged.readUInt8(1000) ^ 1, 1000);
        await old.put(dataKey(layer), damaged);
        await s3.resetRequests();
        const report = reportOf(await runImport(target, apart), 1);
        assert.ok(!downloaded(await s3.requests()).has(layer));
        assert.ok(
          report.problems.some(
            ({ digest, what }) => digest === `sha256:${layer}` && /do not match/.test(what),
          ),
        );
        assert.ok(
          report.problems.some(({ tag, repository }) => tag === "latest" && repository === "tools/lint"),
        );
        assert.deepEqual([report.manifests.imported, report.tags.imported], [manifests - 1, 5]);
        for await (const { key } of s3.client("new/repaired/").list("contents/"))
          assert.ok(!key.endsWith(layer));
        await old.put(dataKey(layer), found.bytes);
        assert.deepEqual(reportOf(await runImport(target, apart)).manifests.imported, 1);
        await using node = await serve("new/repaired");
        await assertServed(node.url, pushed);
      },
    );

    await context.test("into a folder, blobs are streamed", async () => {
      const root = path("folder");
      const ran = await gantryProcess(root, ["import", "--from-distribution", apart, "--json"]);
      const { blobs, problems } = reportOf(ran);
      assert.deepEqual([problems, blobs.copiedInStore.count], [[], 0]);
      assert.ok(blobs.streamed.count > 0);
      await using server = await startGantry({}, root);
      await assertServed(server.url, pushed);
    });

    await context.test("into the bucket of another store, blobs are streamed", async () => {
      await using other = await startS3Server();
      const { blobs, problems } = reportOf(
        await runImport(await bucketFile(other, path("other.yml")), apart),
      );
      assert.deepEqual([problems, blobs.copiedInStore.count], [[], 0]);
      await using node = await startS3Node(other);
      await assertServed(node.url, pushed);
    });

    await context.test("a file without a bucket or a folder is refused", async () => {
      const target = await bucketFile(s3, path("bucket.yml"), "new/none");
      const { code, stderr } = await runImport(target, path("missing.yml"));
      assert.equal(code, 1);
      assert.match(stderr, /there is no docker\/registry\/v2\/repositories in .*missing.yml/);
    });
  });
