// Records of upload sessions: a reused file contains nothing of the previous record.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, stat, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { putRecord } from "../../workers/uploads/session-record.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-session-record-"));
after(() => rm(folder, { recursive: true, force: true }));
const linkedFile = join(folder, "0");
const recordFile = (session: string) => join(folder, `${session}.json`);

test("a record that replaces a longer one is complete, in the same inode", async () => {
  putRecord({ file: recordFile("first"), text: `{"name":"${"long/".repeat(200)}"}`, linkedFile });
  await unlink(recordFile("first"));
  const { ino } = await stat(linkedFile);
  const record = '{"name":"short"}';
  putRecord({ file: recordFile("second"), text: record, linkedFile });
  assert.equal(await readFile(recordFile("second"), "utf8"), record);
  assert.equal((await stat(recordFile("second"))).ino, ino);
});

test("a session saved before its first bytes keeps its record", async () => {
  const record = '{"name":"saved"}';
  const file = join(folder, "1");
  for (let time = 0; time < 2; time++)
    putRecord({ file: recordFile("saved"), text: record, linkedFile: file });
  assert.equal(await readFile(recordFile("saved"), "utf8"), record);
});

for (const [why, linkedFile] of [
  ["there is no record file", undefined],
  ["the folder of record files is missing", join(folder, "gone", "0")],
] as const) {
  test(`a session for which ${why} has a record of its own`, async () => {
    const file = recordFile(`own, ${why}`);
    putRecord({ file: file, text: "{}", linkedFile });
    assert.equal(await readFile(file, "utf8"), "{}");
    assert.equal((await stat(file)).nlink, 1);
  });
}
