// The records of nodes that work without their engine, in a bucket.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { S3NodeRecords } from "../../src/storage/s3/node-records.js";
import { needsVersitygw, startS3Server } from "../support/s3-server.js";

const skip = needsVersitygw;
const [one, two] = ["aa11aa11aa11", "bb22bb22bb22"];
/** Added to each age that is asked for, because two machines of a store may have different clocks. */
const clockMilliseconds = 5_000;

test("a record is young until it was not renewed for the given time, by the store's clock", {
  skip,
}, async () => {
  await using server = await startS3Server();
  const client = server.client();
  const [records, others] = [new S3NodeRecords(client), new S3NodeRecords(server.client())];
  assert.deepEqual(await others.young(60_000), []);
  assert.equal(await others.isYoung(one, 60_000), false);
  await Promise.all([records.renew(one), records.renew(two)]);
  assert.deepEqual((await others.young(60_000)).sort(), [one, two]);
  assert.equal(await others.isYoung(one, 60_000), true);
  await pause(clockMilliseconds + 2_500);
  await records.renew(two);
  assert.equal(await others.isYoung(one, 1_000), false);
  assert.deepEqual(await others.young(1_000), [two]);
  await client.put("nodes/something else", Buffer.from("x"));
  assert.deepEqual(await others.young(1_000), [two], "a foreign object is no node");
});
