// What happens to the slab of an append whose worker dies before its answer.

import assert from "node:assert/strict";
import { mkdtemp, open, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import workerThreads, { Worker } from "node:worker_threads";
import { newSessionId } from "../../src/domain/session-id.js";
import { SlabPool } from "../../src/lib/slab-pool.js";
import { WorkerPool } from "../../src/storage/filesystem/worker-pool.js";

const threads: Worker[] = [];
class Noted extends Worker {
  constructor(...parameters: ConstructorParameters<typeof Worker>) {
    super(...parameters);
    threads.push(this);
  }
}
workerThreads.Worker = Noted;

const slabBytes = 4096;
/** The worker hashes it again before it writes, which takes some 100 ms. */
const writtenBytes = 256 * 1024 * 1024;

for (const isWritten of [false, true])
  test(`an append is ${isWritten ? "not " : ""}repeated if its worker dies ${isWritten ? "after" : "before"} it has written`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "gantry-lost-"));
    const slabs = new SlabPool({ slabBytes, blockBytes: 4096, overflowBytes: 0, slabs: 1 });
    const workers = new WorkerPool(slabs, {
      ...{ threads: 1, durable: true, cachedBytes: 0, openUploadsMax: 16, taskSecondsMax: 60 },
      onError: () => {},
    });
    try {
      const file = join(folder, "upload");
      await using handle = await open(file, "w");
      await handle.truncate(writtenBytes);
      const slab = slabs.take();
      assert.ok(slab !== undefined);
      // Its worker must have loaded: Node aborts if a thread is ended before.
      await workers.forget(newSessionId(), {});
      const upload = { session: newSessionId(), files: { file }, algorithm: "sha256" } as const;
      const part = { slab, start: 0, length: slabBytes };
      const append = workers.append({ ...upload, offset: writtenBytes, part }, {});
      if (isWritten) Atomics.store(new Int32Array(slabs.flags), slab, 1);
      await threads.at(-1)?.terminate();
      await append;
      assert.equal((await stat(file)).size, writtenBytes + (isWritten ? 0 : slabBytes));
    } finally {
      await workers.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
