// Uploads that one process of a server seals for another one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDigest } from "../../src/domain/digest.js";
import { newSessionId } from "../../src/domain/session-id.js";
import { MovedUploads } from "../../src/storage/filesystem/moved-uploads.js";
import type { StorePeers } from "../../src/storage/filesystem/peers.js";
import type { WorkerPool } from "../../src/storage/filesystem/worker-pool.js";
import type { SealTask } from "../../src/storage/filesystem/worker-protocol.js";

const expected = parseDigest(`sha256:${"a".repeat(64)}`);
const place = { file: "/uploads/a", content: "/content/a", blob: "/blobs/a", unchecked: [] };

for (const journal of [7, undefined])
  test(`the record of the blob is of the asker's generation, ${journal}`, async () => {
    const answers = new Map<string, (payload: unknown) => unknown>();
    const peers = {
      answer: (service: string, handler: (payload: unknown) => unknown) => void answers.set(service, handler),
    } as unknown as StorePeers;
    const sealed: Partial<SealTask>[] = [];
    const workers = { seal: async (task: SealTask) => void sealed.push(task) } as unknown as WorkerPool;
    const uploads = new MovedUploads(workers, peers, (error) => assert.fail(String(error)));
    const session = newSessionId();
    uploads.keep(session, { file: place.file }, {});
    const request = { session, algorithm: "sha256", offset: 10, expected, place, journal };
    await answers.get("seal upload")?.(JSON.parse(JSON.stringify(request)));
    assert.deepEqual(sealed, [
      {
        ...{ session, algorithm: "sha256", offset: 10, expected, place },
        ...(journal !== undefined && { journal }),
        files: { file: place.file },
        part: undefined,
      },
    ]);
  });
