// Where a settings file says that a server stores its data: files of this program and of CNCF distribution, and files that do
// not say it.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConfigError } from "../../src/config/errors.js";
import { storedElsewhere } from "../../src/config/stored-elsewhere.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-elsewhere-"));
after(() => rm(folder, { recursive: true }));

async function stored(text: string) {
  const file = join(folder, "config.yml");
  await writeFile(file, text);
  return storedElsewhere(file);
}

for (const [what, storage] of [
  ["s3", "s3: {bucket: images, region: eu-central-1, rootdirectory: /one/, loglevel: debug}"],
  [
    "its other name in CNCF distribution",
    "s3aws: {bucket: images, region: eu-central-1, rootdirectory: /one/}",
  ],
  [
    "s3 beside settings that this program refuses in its own file",
    "s3: {bucket: images, region: eu-central-1, rootdirectory: one}\n  maintenance: {readonly: {enabled: true}}\n  cache: {blobdescriptor: redis}",
  ],
] as const)
  test(`a bucket is found under ${what}`, async () => {
    const found = await stored(
      `version: 0.1\nstorage:\n  ${storage}\nauth: {silly: {realm: r}}\nhttp: {addr: 1}\n`,
    );
    assert.ok("s3" in found);
    assert.deepEqual([found.s3.bucket, found.s3.rootdirectory], ["images", "one"]);
  });

test("a folder is found, and variables of this process do not change it", async (context) => {
  process.env.REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY = "/elsewhere";
  context.after(() => {
    delete process.env.REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY;
  });
  const found = await stored("storage: {filesystem: {rootdirectory: /var/lib/registry, maxthreads: 5}}");
  assert.deepEqual(found, { folder: "/var/lib/registry" });
});

for (const [what, text, message] of [
  ["another driver", "storage: {gcs: {bucket: x}}", /expected storage\.s3, or storage\.filesystem with/],
  ["no storage", "http: {addr: :5000}", /expected storage\.s3, or storage\.filesystem with/],
  ["the default folder", "storage: filesystem", /expected storage\.s3, or storage\.filesystem with/],
  ["a relative folder", "storage: {filesystem: {rootdirectory: data}}", /must be an absolute path/],
  ["a wrong setting of the bucket", "storage: {s3: {bucket: images}}", /storage\.s3\.region/],
  ["no YAML", "storage: {", /config\.yml/],
] as const)
  test(`a file with ${what} is refused`, async () => {
    await assert.rejects(
      stored(text),
      (error) => error instanceof ConfigError && message.test(error.message),
    );
  });
