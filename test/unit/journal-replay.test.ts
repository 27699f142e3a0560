// Repeating the journal gives what was acknowledged, whatever part of the changes has reached the disk, and however often it
// is begun.

import assert from "node:assert/strict";
import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  unlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import {
  encodeRecord,
  type JournalOperation,
  jsonOf,
  type NumberedRecord,
  sizeOf,
} from "../../src/storage/filesystem/journal/record.js";
import { Replay } from "../../src/storage/filesystem/journal/replay.js";
import { readJournal } from "../../src/storage/filesystem/journal/segments.js";
import { Layout } from "../../src/storage/filesystem/layout.js";
import { Directories } from "../../src/storage/filesystem/sync.js";

const root = await mkdtemp(join(tmpdir(), "gantry-replay-"));
after(() => rm(root, { recursive: true, force: true }));
const layout = new Layout(root);

interface Change {
  readonly operation: JournalOperation;
  readonly bytes: Buffer;
}

const paths = ["manifests/a/one", "manifests/a/two", "manifests/a/tags/t/pointer", "manifests/b/one"];
const blobs = ["blobs/a/x", "blobs/b/x"];

const changes: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ path: fc.constantFrom(...paths), text: fc.string() }).map(({ path, text }) => {
    const bytes = Buffer.from(text);
    return { operation: { do: "file" as const, path, bytes: bytes.length, at: 1_000_000 }, bytes };
  }),
  fc.constantFrom(...blobs).map((path) => {
    const bytes = Buffer.from("the bytes of x");
    return { operation: { do: "blob" as const, path, content: "content/x" }, bytes };
  }),
  fc
    .constantFrom(...paths, ...blobs, "manifests/a/tags/t")
    .map((path) => ({ operation: { do: "void" as const, path }, bytes: Buffer.alloc(0) })),
  fc
    .constantFrom(...paths)
    .map((path) => ({ operation: { do: "remove" as const, path }, bytes: Buffer.alloc(0) })),
);

/** What the disk has at a path that a change has named. */
const remains = fc.constantFrom("nothing", "zeros", "other bytes", "a folder");

/** Writes the changes to the segments of two workers, by turns as `workers` says. */
async function writeSegments(made: readonly Change[], workers: readonly boolean[]): Promise<void> {
  await mkdir(layout.journalRoot, { recursive: true });
  const parts: [[number, Change][], [number, Change][]] = [[], []];
  for (const [index, change] of made.entries())
    parts[workers[index] === true ? 1 : 0].push([index + 1, change]);
  for (const [slot, own] of parts.entries()) await writeSegment(`${slot}-a`, own);
}

/** Writes numbered changes to a segment. */
async function writeSegment(name: string, changes: readonly [number, Change][]): Promise<void> {
  const written: Buffer[] = [];
  for (const [sequence, { operation, bytes }] of changes) {
    const record: NumberedRecord = {
      ...{ secret: 7n, json: jsonOf([operation]), bytes: [bytes] },
      ...{ sequence, generation: 1 },
    };
    const start = written.reduce((sum, { length }) => sum + length, 0);
    const buffer = Buffer.alloc(sizeOf(record));
    encodeRecord(record, buffer, 0, start);
    written.push(buffer);
  }
  await writeFile(join(layout.journalRoot, name), Buffer.concat([...written, Buffer.alloc(64)]));
}

async function leave(path: string, what: string): Promise<void> {
  const full = join(root, path);
  if (what === "nothing") return;
  await mkdir(dirname(full), { recursive: true });
  if (what === "a folder") await mkdir(full);
  else await writeFile(full, what === "zeros" ? Buffer.alloc(5) : "other bytes");
}

/** The state of each path: its bytes, nothing, or whatever was there, if it was made void or never named. */
function expected(made: readonly Change[]): Map<string, Buffer | "nothing"> {
  const state = new Map<string, Buffer | "nothing">();
  for (const { operation, bytes } of made) {
    if (operation.do === "file" || operation.do === "blob") state.set(operation.path, bytes);
    else if (operation.do === "remove") state.set(operation.path, "nothing");
    else if (operation.do === "void")
      for (const path of [...state.keys()])
        if (path === operation.path || path.startsWith(`${operation.path}/`)) state.delete(path);
  }
  return state;
}

async function replay(all = false): Promise<void> {
  const found = await readJournal(layout.journalRoot, {});
  assert.deepEqual(found.damaged, []);
  await new Replay(layout, new Directories(root, "relaxed"), found, all, (path, why) =>
    assert.fail(`${path} ${why}`),
  ).run();
}

async function check(state: ReadonlyMap<string, Buffer | "nothing">): Promise<void> {
  for (const [path, bytes] of state) {
    const found = await readFile(join(root, path)).catch(() => "nothing" as const);
    assert.deepEqual(found, bytes, path);
    if (path.startsWith("blobs/")) {
      const [blob, content] = await Promise.all([stat(join(root, path)), stat(join(root, "content/x"))]);
      assert.equal(blob.ino, content.ino, "the blob is linked to its content");
    }
  }
}

test("a record that names a place outside of the store changes nothing there", async () => {
  await rm(root, { recursive: true, force: true });
  await mkdir(layout.uploadsRoot, { recursive: true });
  const bytes = Buffer.from("x");
  const outside = ["../outside", "blobs/../../outside", "secrets/key", "journal/mark", "/outside"];
  await writeSegments(
    [...outside, "blobs/a/x"].map((path) => ({ operation: { do: "file", path, bytes: 1, at: 1 }, bytes })),
    [],
  );
  const found = await readJournal(layout.journalRoot, {});
  const blocked: string[] = [];
  const directories = new Directories(root, "relaxed");
  await new Replay(layout, directories, found, false, (_, why) => blocked.push(why)).run();
  assert.equal(blocked.length, outside.length);
  assert.deepEqual((await readdir(root)).sort(), ["blobs", "journal", "uploads"]);
});

test("a cancellation concerns records of the worker that wrote it, and not another one's with the same number", async () => {
  await rm(root, { recursive: true, force: true });
  await mkdir(layout.uploadsRoot, { recursive: true });
  const file = (path: string): Change => ({
    operation: { do: "file", path, bytes: 1, at: 1 },
    bytes: Buffer.from("x"),
  });
  await mkdir(layout.journalRoot, { recursive: true });
  const [failed, kept] = ["manifests/a/one", "manifests/a/two"];
  await writeSegment("0-a", [[1, file(kept)]]);
  await writeSegment("1-a", [[1, file(failed)]]);
  const operation = { do: "cancel" as const, sequences: [1] };
  await writeSegment("1-b", [[2, { operation, bytes: Buffer.alloc(0) }]]);
  await replay();
  assert.deepEqual(await readdir(join(root, "manifests/a")), ["two"]);
});

test("a file whose bytes may be lost is written again, and keeps its links in other repositories", async () => {
  await rm(root, { recursive: true, force: true });
  const bytes = Buffer.from("the bytes of x");
  const blob = (path: string): Change => ({ operation: { do: "blob", path, content: "content/x" }, bytes });
  await writeSegments(blobs.map(blob), []);
  const [content, ...links] = ["content/x", ...blobs, "blobs/c/x"].map((path) => join(root, path));
  assert.ok(content !== undefined);
  for (const path of [content, ...links]) await mkdir(dirname(path), { recursive: true });
  await mkdir(layout.uploadsRoot, { recursive: true });
  await writeFile(content, bytes);
  for (const path of links) await link(content, path);
  await utimes(content, 1000, 1000);
  const before = await stat(content);
  await replay(true);
  for (const path of [content, ...links]) {
    const { ino, nlink, mtimeMs } = await stat(path);
    assert.deepEqual([ino, nlink], [before.ino, 4], path);
    assert.ok(mtimeMs > before.mtimeMs, "it was written");
  }
  assert.ok((await readFile(content)).equals(bytes));
});

test("other bytes in the place of a content are replaced, and not in the files that share them", async () => {
  await rm(root, { recursive: true, force: true });
  const bytes = Buffer.from("the bytes of x");
  await writeSegments([{ operation: { do: "blob", path: "blobs/a/x", content: "content/x" }, bytes }], []);
  const [content, outside] = [join(root, "content/x"), join(root, "outside")];
  await mkdir(dirname(content), { recursive: true });
  await mkdir(layout.uploadsRoot, { recursive: true });
  await writeFile(outside, "other bytes");
  await link(outside, content);
  await replay(true);
  assert.equal(await readFile(outside, "utf8"), "other bytes");
  await check(new Map([["blobs/a/x", bytes]]));
});

test("any part of the changes may be on the disk, and repeating them ends in the acknowledged state", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(changes, { maxLength: 12 }),
      fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
      fc.array(remains, { minLength: 7, maxLength: 7 }),
      fc.nat(6),
      fc.boolean(),
      async (made, workers, left, lost, all) => {
        await rm(root, { recursive: true, force: true });
        await mkdir(layout.uploadsRoot, { recursive: true });
        const places = [...paths, ...blobs, "content/x"];
        for (const [index, path] of places.entries()) {
          const what = left[index] ?? "nothing";
          await leave(path, path.startsWith("manifests") || what !== "a folder" ? what : "zeros");
        }
        await writeSegments(made, workers);
        const state = expected(made);
        await replay(all);
        await check(state);
        await replay(all);
        await check(state);
        // A crash in the middle of it may have lost what it had not synced.
        const place = places[lost] ?? "";
        if (state.has(place)) await unlink(join(root, place)).catch(() => {});
        await replay();
        await check(state);
      },
    ),
    { numRuns: 150 },
  );
});
