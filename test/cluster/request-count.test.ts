/** The requests that a node sends to the store for a push by a real client, and for warm pulls. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Layout, uniqueText } from "../clients/images.js";
import { needs, run, temporaryFolder } from "../clients/support.js";
import { Client } from "../support/client.js";
import { blobOf, descriptorOf, image, manifestOf, types } from "../support/content.js";
import { startS3Node } from "../support/s3-node.js";
import { countByKind } from "../support/s3-requests.js";
import { needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";

/** The limit for a new image of a small blob and a large one, pushed with a tag. */
const pushRequestsMax = 17;
const largeBytes = 20 * 1024 * 1024;

test(`a push of a small blob, one of 20 MiB and a tagged manifest takes at most ${pushRequestsMax} requests`, {
  skip: needsVersitygw || needs("crane"),
}, async (t) => {
  await using folder = await temporaryFolder();
  await using server = await startS3Server();
  await using node = await startS3Node(server);
  await new Client(node.url).pushImage("warm/up", image(), "v1");
  const layout = join(folder.path, "layout");
  await writeLargeImage(layout);
  await server.resetRequests();
  await run("crane", ["--insecure", "push", layout, `${node.host}/requests/image:v1`]);
  const count = await requestsOf(server, t);
  assert.ok(count <= pushRequestsMax, `${count} requests`);
  assert.ok(count > 0, "the store's log was read");
});

async function writeLargeImage(path: string): Promise<void> {
  const layout = await Layout.create(path);
  const layers = [await layout.add(types.layer, randomBytes(largeBytes))];
  const config = await layout.add(types.config, JSON.stringify({ os: "linux", id: uniqueText() }));
  const { manifest: mediaType } = types;
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config, layers });
  await layout.finish(await layout.add(mediaType, manifest), "latest");
}

test("a warm pull takes no request for a manifest by tag, a small blob or a redirect", {
  skip: needsVersitygw,
}, async (t) => {
  await using server = await startS3Server();
  await using node = await startS3Node(server);
  const client = new Client(node.url);
  const [config, layer] = [blobOf("{}"), blobOf(largeBytes)] as const;
  const pushed = manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, types.config),
      layers: [descriptorOf(layer, types.layer)],
    },
    [config, layer],
  );
  await client.pushImage("requests/image", pushed, "v1");
  const pull = async (): Promise<void> => {
    const manifest = await client.get("/v2/requests/image/manifests/v1", { Accept: pushed.mediaType });
    assert.deepEqual([manifest.status, manifest.body], [200, pushed.bytes]);
    const small = await client.get(`/v2/requests/image/blobs/${config.digest}`);
    assert.deepEqual([small.status, small.body], [200, config.bytes]);
    const { status, headers } = await client.get(`/v2/requests/image/blobs/${layer.digest}`);
    assert.equal(status, 307);
    assert.ok(headers.location?.startsWith(`${server.endpoint}/${server.bucket}/data/`));
  };
  await pull();
  await server.resetRequests();
  for (let pulled = 0; pulled < 5; pulled++) await pull();
  assert.equal(await requestsOf(server, t), 0);
});

/** Counts what the store has answered, without the node's lock, reserve, notes and times of pulls, which no client waits for. */
async function requestsOf(server: S3Server, t: TestContext): Promise<number> {
  const own = new RegExp(`^/${server.bucket}/(lock|reserve|reserve-room|(notes|pulls)/.*)([?].*)?$`);
  const requests = (await server.requests()).filter(({ path }) => !own.test(path));
  t.diagnostic(JSON.stringify(countByKind(requests)));
  for (const { method, path, status } of requests) t.diagnostic(`${method} ${path} ${status}`);
  return requests.length;
}
