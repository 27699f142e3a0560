// The storage contract on the S3 driver, over versitygw and MinIO.

import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import type { Digest } from "../../src/domain/digest.js";
import type { Tag } from "../../src/domain/reference.js";
import type { RepositoryName } from "../../src/domain/repository-name.js";
import type { SlabPool } from "../../src/lib/slab-pool.js";
import type { S3Client } from "../../src/storage/s3/client.js";
import { parsePointer, share } from "../../src/storage/s3/contents.js";
import { keys } from "../../src/storage/s3/keys.js";
import { defaultS3Limits, openS3Storage } from "../../src/storage/s3/open.js";
import { type TestedStore, testStorage } from "../contract/storage.js";
import { driverOptions } from "../support/s3-driver.js";
import { needsMinio, needsVersitygw, type S3Server, startS3Server } from "../support/s3-server.js";

for (const [engine, skip] of [
  ["versitygw", needsVersitygw],
  ["minio", needsMinio],
] as const) {
  if (skip !== false) continue;
  const starting = startS3Server(engine);
  testStorage({
    name: engine,
    sharesContent: true,
    freesAtOnce: false,
    create: async () => createStore(await starting, engine === "versitygw"),
  });
  // After the stores have been removed.
  after(async () => (await starting).stop());
}

let stores = 0;

async function createStore(server: S3Server, removesWithCondition: boolean): Promise<TestedStore> {
  const prefix = `store-${stores++}/`;
  const client = server.client(prefix);
  let opened = 0;
  const scratch = await mkdtemp(join(tmpdir(), "gantry-scratch-"));
  return {
    open: async (slabs: SlabPool) =>
      openS3Storage({
        ...driverOptions(server),
        place: client.requests.place,
        slabs,
        scratchFolder: scratch,
        removesWithCondition,
        limits: { ...defaultS3Limits, requestSeconds: 1 },
        fresh: opened++ === 0,
      }),
    plantOrphan: async (digest, bytes) => {
      const key = keys.data(randomUUID());
      const stamp = await client.put(key, bytes);
      await share(client, digest, { key, size: bytes.length, etag: stamp?.etag ?? "" }, 0);
    },
    damageBlob: async (name, digest) => {
      const { key, size } = await pointerOf(client, name, digest);
      await client.put(key, randomBytes(size));
    },
    damageTag: async (name: RepositoryName, tag: Tag) => {
      await client.put(keys.tag(name, tag), Buffer.from("damaged"));
    },
    damageReferrer: async (name, subject, referrer) => {
      await client.put(keys.referrer(name, subject, referrer), Buffer.from("damaged"));
    },
    breakDown: async () => {
      await server.kill();
      await rm(scratch, { recursive: true });
      return async () => {
        await server.start();
        await mkdir(scratch);
      };
    },
    remove: async () => {
      for await (const { key } of client.list("")) await client.delete(key);
      await client.close();
      await rm(scratch, { recursive: true });
    },
  };
}

async function pointerOf(client: S3Client, name: RepositoryName, digest: Digest) {
  const found = await client.get(keys.blob(name, digest));
  const pointer = found && parsePointer(found.bytes);
  if (pointer === undefined) throw new Error(`${name} has no blob ${digest}`);
  return pointer;
}
