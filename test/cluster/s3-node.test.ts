/** One node over an S3 server: what it has acknowledged is there after it was killed, and after it was stopped. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Remote } from "../clients/verify.js";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

test("content of CNCF distribution in the bucket is named", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  {
    await using node = await startS3Node(server);
    assert.doesNotMatch(node.log(), /warning/);
  }
  await server.client().put("docker/registry/v2/repositories/a/_layers/x/link", Buffer.from("x"));
  await using node = await startS3Node(server);
  assert.match(
    node.log(),
    /warning: the bucket .* has content of CNCF distribution .*gantry import --from-distribution/,
  );
});

test("an image survives the death and the stop of its node", { skip: needsVersitygw }, async () => {
  await using server = await startS3Server();
  await using node = await startS3Node(server);
  const pushed = image();
  await new Client(node.url).pushImage("app", pushed, "v1");
  const stored = async () => (await new Remote(node.url, "app").verify("v1")).digest;
  await node.kill();
  await assert.rejects(stored());
  await node.start();
  assert.equal(await stored(), pushed.digest);
  await node.end();
  await node.start();
  assert.equal(await stored(), pushed.digest);
});
