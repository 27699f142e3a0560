// The pool of workers: the tasks of an upload run in order of arrival, however many there are.

import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { parseDigest } from "../../src/domain/digest.js";
import { newSessionId } from "../../src/domain/session-id.js";
import type { Affinity } from "../../src/lib/affine-pool.js";
import { SlabPool } from "../../src/lib/slab-pool.js";
import { WorkerPool } from "../../src/storage/filesystem/worker-pool.js";

const uploads = 300;
const length = 8;
const like = parseDigest(`sha256:${"0".repeat(64)}`);

async function turns(count: number): Promise<void> {
  for (let done = 0; done < count; done++) await turn();
}

test("tasks of many concurrent uploads keep their order", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-workers-"));
  const slabs = new SlabPool({ slabBytes: length, blockBytes: length, overflowBytes: 0, slabs: uploads * 2 });
  const options = {
    threads: 2,
    durable: true,
    cachedBytes: 0,
    openUploadsMax: 16,
    taskSecondsMax: 60,
  };
  const workers = new WorkerPool(slabs, { ...options, onError: (error) => assert.fail(String(error)) });
  const partOf = (byte: number) => {
    const slab = slabs.take();
    assert.ok(slab !== undefined);
    slabs.copyInto(slab, 0, new Uint8Array(length).fill(byte));
    return { slab, start: 0, length };
  };
  try {
    await Promise.all(
      Array.from({ length: uploads }, async (_, number) => {
        const files = { file: join(folder, `${number}`) };
        const upload = { session: newSessionId(), files, algorithm: "sha256" } as const;
        const affinity = {};
        // Some turns apart, like the chunks of a body: tasks end, and make room, while others arrive.
        const first = workers.append({ ...upload, offset: 0, part: partOf(1) }, affinity);
        await turns(number % 20);
        const second = workers.append({ ...upload, offset: length, part: partOf(2) }, affinity);
        await turns(number % 7);
        const end = { ...upload, offset: 2 * length, part: undefined, expected: like, place: undefined };
        await Promise.all([first, second, workers.seal(end, affinity)]);
        const bytes = await readFile(files.file);
        assert.deepEqual([...bytes], [...Array(length).fill(1), ...Array(length).fill(2)]);
      }),
    );
  } finally {
    await workers.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("a worker keeps a limited number of uploads open, and closed ones continue", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-workers-"));
  const slabs = new SlabPool({ slabBytes: length, blockBytes: length, overflowBytes: 0, slabs: uploads });
  const openUploadsMax = 8;
  const options = {
    threads: 1,
    durable: true,
    cachedBytes: 1024,
    openUploadsMax,
    taskSecondsMax: 60,
  };
  const workers = new WorkerPool(slabs, { ...options, onError: (error) => assert.fail(String(error)) });
  const open = async () => {
    const links = (await readdir("/proc/self/fd")).map((fd) =>
      readlink(`/proc/self/fd/${fd}`).catch(() => ""),
    );
    return (await Promise.all(links)).filter((path) => path.startsWith(folder)).length;
  };
  try {
    const begun = Array.from({ length: 40 }, (_, number) => ({
      upload: {
        session: newSessionId(),
        files: { file: join(folder, `${number}`) },
        algorithm: "sha256" as const,
      },
      affinity: {},
    }));
    for (const offset of [0, length])
      for (const { upload, affinity } of begun) {
        const slab = slabs.take();
        assert.ok(slab !== undefined);
        slabs.copyInto(slab, 0, new Uint8Array(length).fill(1));
        await workers.append({ ...upload, offset, part: { slab, start: 0, length } }, affinity);
        assert.ok((await open()) <= openUploadsMax);
      }
    for (const { upload } of begun) assert.equal((await readFile(upload.files.file)).length, 2 * length);
  } finally {
    await workers.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("small blobs that come together go to one worker, and others to the one with the fewest tasks", async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-workers-"));
  const slabs = new SlabPool({ slabBytes: length, blockBytes: length, overflowBytes: 0, slabs: 1 });
  const options = { threads: 2, durable: true, cachedBytes: 0, openUploadsMax: 64, taskSecondsMax: 60 };
  const workers = new WorkerPool(slabs, { ...options, onError: (error) => assert.fail(String(error)) });
  /** Returns how many of the uploads, begun at once, each worker got. */
  const spread = async (count: number, isGathered: boolean) => {
    const affinities: Affinity[] = Array.from({ length: count }, () => ({ isGathered }));
    await Promise.all(
      affinities.map((affinity) => {
        const session = newSessionId();
        const files = { file: join(folder, session) };
        const part = { slab: 0, start: 0, length };
        return workers.append({ session, files, algorithm: "sha256", offset: 0, part }, affinity);
      }),
    );
    const counts = new Map<number | undefined, number>();
    for (const { workerId } of affinities) counts.set(workerId, (counts.get(workerId) ?? 0) + 1);
    return [...counts.values()].sort();
  };
  try {
    // Both threads have started then.
    while ((await spread(10, false)).length < 2) await turn();
    assert.deepEqual(await spread(10, false), [5, 5]);
    assert.deepEqual(await spread(5, true), [5]);
    assert.deepEqual(await spread(12, true), [6, 6]);
  } finally {
    await workers.close();
    await rm(folder, { recursive: true, force: true });
  }
});

test("threads start with the first task", {
  skip: process.platform !== "linux" && "threads are counted in /proc",
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "gantry-workers-"));
  const file = join(folder, "file");
  await writeFile(file, "");
  const count = async () => (await readdir("/proc/self/task")).length;
  const options = { threads: 3, durable: true, cachedBytes: 0, openUploadsMax: 16, taskSecondsMax: 60 };
  const onError = (error: unknown) => assert.fail(String(error));
  const slabs = new SlabPool({ slabBytes: length, blockBytes: length, overflowBytes: 0, slabs: 1 });
  try {
    const before = await count();
    const workers = new WorkerPool(slabs, { ...options, onError });
    await workers.answer();
    assert.equal(await count(), before);
    assert.equal(
      await workers.digestFile(file, like),
      parseDigest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    );
    assert.equal(await count(), before + 3);
    await workers.answer();
    await workers.close();
    await new WorkerPool(slabs, { ...options, onError }).close();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
