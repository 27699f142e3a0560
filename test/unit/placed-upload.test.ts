// A process that seals an upload for another one may die when the blob is there and before it answers.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { Digest } from "../../src/domain/digest.js";
import type { RepositoryName } from "../../src/domain/repository-name.js";
import { newSessionId } from "../../src/domain/session-id.js";
import { defaultSlabs, SlabPool } from "../../src/lib/slab-pool.js";
import { Layout } from "../../src/storage/filesystem/layout.js";
import { openFilesystemStorage } from "../../src/storage/filesystem/open.js";
import { placeUpload } from "../../workers/uploads/place-upload.js";
import { digestOf } from "../support/content.js";

const name = "a/b" as RepositoryName;
const bytes = randomBytes(10_000);
const digest = digestOf(bytes) as Digest;

for (const journal of [true, false])
  for (const isPlaced of [true, false])
    test(`an upload whose file is gone ${isPlaced ? "is committed if it became" : "fails without"} its blob, ${journal ? "with" : "without"} a journal`, async () => {
      const folder = await mkdtemp(join(tmpdir(), "gantry-placed-"));
      const layout = new Layout(join(folder, "store"));
      const slabs = new SlabPool(defaultSlabs);
      const open = () =>
        openFilesystemStorage({
          ...{ slabs, cachedBytes: 0, threads: 1, openUploadsMax: 16, taskSecondsMax: 60, journal },
          rootDirectory: layout.root,
          durability: "full",
          onStray: () => {},
          onError: (error) => assert.fail(String(error)),
          create: true,
        });
      const id = newSessionId();
      const first = await open();
      const owner = { name, opener: "test", client: "test", announced: true };
      const record = { ...owner, algorithm: "sha256", createdAt: Date.now() } as const;
      const upload = first.uploads.begin(id, record, { survives: true });
      const slab = slabs.take();
      assert.ok(slab !== undefined);
      slabs.copyInto(slab, 0, bytes);
      await upload.append({ slab, start: 0, length: bytes.length }, 0);
      await first.close();
      // Its workers have ended, so nobody has the upload's file open.
      const storage = await open();
      try {
        const found = await storage.uploads.recover(id);
        assert.equal(found?.received, bytes.length);
        const [content, blob] = [layout.content(digest), layout.blob(name, digest)];
        for (const path of [content, blob]) await mkdir(dirname(path), { recursive: true });
        const place = { file: layout.upload(id), recordFile: layout.uploadRecord(id), content, blob };
        assert.equal(placeUpload({ ...place, unchecked: [] }), bytes.length);
        if (!isPlaced) await Promise.all([rm(content), rm(blob)]);
        const committing = found.upload.commit(name, digest, { offset: bytes.length, part: undefined });
        if (!isPlaced) return await assert.rejects(committing, { kind: "storage-failed" });
        assert.equal((await committing).healed, false);
        const reader = await storage.blobs.open(name, digest);
        const stored = Buffer.alloc(bytes.length);
        assert.equal(await reader?.read(stored, 0), bytes.length);
        await reader?.close();
        assert.ok(stored.equals(bytes));
      } finally {
        await storage.close();
        await rm(folder, { recursive: true });
      }
    });
