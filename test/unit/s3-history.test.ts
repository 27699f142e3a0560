// The history of tags in a bucket: what it asks the bucket for, and how it fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDigest } from "../../src/domain/digest.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { S3Client } from "../../src/storage/s3/client.js";
import { keys } from "../../src/storage/s3/keys.js";
import type { StoredRecords } from "../../src/storage/s3/stored-records.js";
import { S3History } from "../../src/storage/s3/tag-history.js";
import { digestOf } from "../support/content.js";

const name = parseRepositoryName("team/app");
const records = { names: async function* () {} } as unknown as StoredRecords;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("a later page of the removed tags begins its listing where it begins", async () => {
  const asked: string[] = [];
  const folders = ["a", "b", "b-2", "c"].map((tag) => keys.historyOf(name, tag));
  const client = {
    listFolders: async function* (prefix: string, after: string) {
      asked.push(after);
      for (const folder of folders) if (folder.startsWith(prefix) && folder > after) yield folder;
    },
  } as unknown as S3Client;
  const history = new S3History(client, records, assert.ifError);
  assert.deepEqual(await all(history.removed(name)), ["a", "b", "b-2", "c"]);
  assert.deepEqual(await all(history.removed(name, "b")), ["b-2", "c"]);
  assert.equal(asked[0], "");
  assert.ok(asked[1]?.endsWith("/b"), asked[1]);
});

test("a history that could not be pruned is reported, and its push does not fail", async () => {
  const failed = new Error("failed");
  const client = {
    put: async () => {},
    list: () => {
      throw failed;
    },
  } as unknown as S3Client;
  const errors: unknown[] = [];
  const history = new S3History(client, records, (error) => void errors.push(error));
  const bounds = { entriesMax: 1, keptMilliseconds: 1_000 };
  const change = { kind: "pointed", digest: parseDigest(digestOf("an image")) } as const;
  await history.add(name, parseTag("v1"), change, "0".repeat(16), { by: "user:alice", bounds });
  await new Promise(setImmediate);
  assert.deepEqual(errors, [failed]);
});
