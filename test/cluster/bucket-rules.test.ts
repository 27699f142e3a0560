/** The permissions and the lifecycle rule of docs/cluster.md are what the driver needs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readConfig } from "../../src/config/config.js";
import { exampleOf } from "../documents/page.js";
import { Client } from "../support/client.js";
import { blobOf, image } from "../support/content.js";
import { startS3Node } from "../support/s3-node.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";
import { eventually } from "../support/store.js";

/** The permission of each operation, from S3's documentation. */
const actions: Readonly<Record<string, string>> = {
  ListObjectsV2: "s3:ListBucket",
  ListMultipartUploads: "s3:ListBucketMultipartUploads",
  GetObject: "s3:GetObject",
  HeadObject: "s3:GetObject",
  PutObject: "s3:PutObject",
  CreateMultipartUpload: "s3:PutObject",
  UploadPart: "s3:PutObject",
  CompleteMultipartUpload: "s3:PutObject",
  DeleteObject: "s3:DeleteObject",
  DeleteObjects: "s3:DeleteObject",
  AbortMultipartUpload: "s3:AbortMultipartUpload",
};

interface Statement {
  readonly Action: readonly string[];
  readonly Resource: string;
}

const bucketActions = ["s3:ListBucket", "s3:ListBucketMultipartUploads"];

test("the permissions of the guide are those of the requests that a node sends", {
  skip: needsVersitygw,
}, async () => {
  const policy = JSON.parse(await exampleOf("docs/cluster.md", "Permissions", "{"));
  const allowed = (policy.Statement as readonly Statement[]).flatMap(({ Action, Resource }) =>
    Action.map((action) => `${action} ${Resource.endsWith("/*") ? "objects" : "bucket"}`),
  );
  await using server = await startS3Server();
  {
    // At the start, it also tests the store, and looks for what crashed nodes have left.
    await using node = await startS3Node(server, {
      settings: {
        REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_INTERVAL: "1s",
        REGISTRY_STORAGE_S3_CHUNKSIZE: String(5 * 1024 * 1024),
      },
    });
    const client = new Client(node.url);
    const pushed = image();
    await client.pushImage("app", pushed, "v1");
    await client.pushBlobs("app", blobOf(12 * 1024 * 1024));
    const location = await client.openUpload("app");
    assert.equal((await client.patch(location, Buffer.alloc(12 * 1024 * 1024))).status, 202);
    assert.equal((await client.delete(location)).status, 204);
    assert.equal((await client.get("/v2/app/tags/list")).status, 200);
    assert.equal((await client.delete(`/v2/app/manifests/${pushed.digest}`)).status, 202);
    await eventually(
      "the search for abandoned uploads",
      async () => {
        const sent = await server.requests();
        return sent.some(({ operation }) => operation === "ListMultipartUploads") || undefined;
      },
      20_000,
    );
  }
  const operations = new Set((await server.requests()).map(({ operation }) => operation));
  const needed = [...operations].map((operation) => {
    const action = actions[operation];
    assert.ok(action !== undefined, `${operation} has a permission`);
    return `${action} ${bucketActions.includes(action) ? "bucket" : "objects"}`;
  });
  assert.deepEqual([...new Set(needed)].sort(), allowed.sort());
});

test("the lifecycle rule of the guide leaves clients the time to resume uploads", async () => {
  const { Rules } = JSON.parse(await exampleOf("docs/cluster.md", "Rules for the bucket", "{"));
  const days = Rules[0].AbortIncompleteMultipartUpload.DaysAfterInitiation;
  const daySeconds = 24 * 60 * 60;
  assert.ok(days * daySeconds > readConfig({}).storage.maintenance.uploadpurging.age);
});
