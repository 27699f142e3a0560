// A start after a crash needs little memory, however many records the journal has, and says how far it is.

import assert from "node:assert/strict";
import { access, mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { mock, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { SlabPool } from "../../src/lib/slab-pool.js";
import type { JournalOperation, RecordContent } from "../../src/storage/filesystem/journal/record.js";
import { openFilesystemStorage } from "../../src/storage/filesystem/open.js";
import { gantryProcess } from "../support/command.js";
import { beginJournal, fillSegment } from "../support/journal-segment.js";
import { newRoot } from "../support/new-root.js";

function record(operation: JournalOperation): RecordContent {
  return { operations: [operation], bytes: [] };
}

/** Deletions have the smallest records: a segment has 200,000 of them. */
function* deletions(count: number): Iterable<RecordContent> {
  for (let number = 1; number <= count; number++)
    yield record({ do: "void", path: `manifests/team/app/sha256:${String(number).padStart(64, "0")}` });
}

test("with a heap of 96 MB, a start repeats 100,000 of the smallest records, which all count", async () => {
  const root = await newRoot();
  await beginJournal(root);
  const kept = "manifests/team/app/kept";
  const number = await fillSegment(root, "0-a", [record({ do: "mark", path: kept })]);
  // The first deletion is a change that a later record undoes.
  const [first] = deletions(1);
  const undone = first?.operations[0] as { path: string };
  const before = [{ do: "mark" as const, path: undone.path }];
  await fillSegment(root, "1-a", before.map(record), number + 1);
  assert.equal(await fillSegment(root, "1024-a", deletions(100_000), number + 2), 100_000);
  await mkdir(join(root, "uploads"));
  const { code, stderr } = await gantryProcess(root, ["stats"], {
    NODE_OPTIONS: "--max-old-space-size=96",
  });
  assert.equal(code, 0, stderr);
  await access(join(root, kept));
  await assert.rejects(access(join(root, undone.path)), { code: "ENOENT" });
  assert.deepEqual(await readdir(join(root, "journal")), []);
});

test("a start that takes long says how far it is", async () => {
  const root = await newRoot();
  await beginJournal(root);
  const records = 300;
  const marks = Array.from({ length: records }, (_, number) =>
    record({ do: "mark", path: `manifests/team/app/${number}` }),
  );
  await fillSegment(root, "0-a", marks);
  const done: number[] = [];
  mock.timers.enable({ apis: ["setInterval"] });
  try {
    let isOpen = false;
    const opening = openFilesystemStorage({
      slabs: new SlabPool(),
      journal: true,
      rootDirectory: root,
      durability: "full",
      threads: 1,
      cachedBytes: 0,
      openUploadsMax: 16,
      taskSecondsMax: 60,
      onReplaying: (replaying) => {
        assert.equal(replaying.records, records);
        done.push(replaying.done);
      },
      onStray: () => {},
      onError: (error) => assert.fail(String(error)),
      create: true,
    }).finally(() => {
      isOpen = true;
    });
    while (!isOpen) {
      mock.timers.tick(10_000);
      await turn();
    }
    await (await opening).close();
  } finally {
    mock.timers.reset();
  }
  assert.deepEqual(
    done,
    done.toSorted((a, b) => a - b),
  );
  assert.ok(done.some((number) => number > 0 && number < records));
});
