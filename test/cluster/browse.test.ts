// Pages of one node show what another node has received, over one bucket and one engine.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { startRedisServer } from "../support/redis-server.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { eventually } from "../support/store.js";

/** Returns the page when it says so. */
function shown(client: Client, path: string, text: string, isThere = true): Promise<string> {
  return eventually(
    `${path} ${isThere ? "with" : "without"} ${text}`,
    async () => {
      const { status, body } = await client.get(path);
      assert.equal(status, 200, body.toString());
      return body.toString().includes(text) === isThere ? body.toString() : undefined;
    },
    20_000,
  );
}

test("pages follow the pushes and deletions at another node, also those without a tag", {
  skip: needsVersitygw,
}, async () => {
  await using server = await startS3Server();
  const engine = await startRedisServer();
  const settings = { REGISTRY_STORAGE_DELETE_ENABLED: "true", REGISTRY_HTTP_UI_ENABLED: "true" };
  const options = { redis: engine.address, settings };
  const nodes = [await startS3Node(server, options), await startS3Node(server, options)] as const;
  try {
    const [one, two] = [new Client(nodes[0].url), new Client(nodes[1].url)];
    await one.pushImage("first/app", image(), "v1");
    await shown(two, "/ui/", "first");
    await one.pushImage("second/tagged", image(), "v1");
    await one.pushImage("third/untagged", image());
    await shown(two, "/ui/", "second");
    await shown(two, "/ui/", "third");
    await shown(two, "/ui/r/first/app/_tags", "v1");
    await one.pushImage("first/app", image(), "v2-of-the-other-node");
    await shown(two, "/ui/r/first/app/_tags", "v2-of-the-other-node");
    await two.delete("/v2/first/app/manifests/v2-of-the-other-node");
    await shown(one, "/ui/r/first/app/_tags", "v2-of-the-other-node", false);
  } finally {
    for (const node of nodes) await node.stop();
    await engine.stop();
  }
});

test("nodes that stop at once keep the figures of both", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  const engine = await startRedisServer();
  const options = { redis: engine.address, settings: { REGISTRY_HTTP_UI_ENABLED: "true" } };
  const nodes = [await startS3Node(server, options), await startS3Node(server, options)] as const;
  try {
    for (const restarts of [1, 2, 3]) {
      for (const { url } of nodes) await new Client(url).pushImage("team/app", image(), `v${restarts}`);
      await Promise.all(nodes.map((node) => node.end()));
      for (const node of nodes) {
        await node.start();
        const page = (await new Client(node.url).get("/ui/activity")).body.toString();
        const [, pushes] = /<figcaption>Pushed manifests <span class="note">(\d+),/.exec(page) ?? [];
        assert.equal(pushes, String(restarts * nodes.length));
      }
    }
  } finally {
    for (const node of nodes) await node.stop();
    await engine.stop();
  }
});
