// Internal secrets: created once, the same for all callers, and unreadable for others.

import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { keptSigningKey, signingKeyOf } from "../../src/auth/tokens/signing-key.js";
import { RegistryError } from "../../src/domain/errors.js";
import { CheckedFiles } from "../../src/storage/filesystem/checked-files.js";
import { Layout } from "../../src/storage/filesystem/layout.js";
import { Quarantine } from "../../src/storage/filesystem/quarantine.js";
import { FileSecrets } from "../../src/storage/filesystem/secrets.js";
import { StrayFiles } from "../../src/storage/filesystem/stray-files.js";
import { Directories } from "../../src/storage/filesystem/sync.js";
import { ecKeys, rsaKeys } from "../support/jwt.js";

async function newLayout(): Promise<Layout> {
  const root = await mkdtemp(join(tmpdir(), "gantry-secrets-"));
  after(() => rm(root, { recursive: true, force: true }));
  const layout = new Layout(root);
  await new Directories(root, "full").ensure(layout.uploadsRoot);
  return layout;
}

function open(layout: Layout, hardLinks: boolean): FileSecrets {
  const checkedFiles = new CheckedFiles(layout.root, () => {});
  return new FileSecrets(layout, new Directories(layout.root, "full"), hardLinks, checkedFiles);
}

for (const hardLinks of [true, false]) {
  const how = hardLinks ? "with" : "without";
  test(`a secret is created once and kept, ${how} hard links`, async () => {
    const layout = await newLayout();
    let made = 0;
    const ask = (secrets: FileSecrets) => secrets.secret("name", () => Buffer.from(`secret ${++made}`));
    const secrets = open(layout, hardLinks);
    const all = await Promise.all(Array.from({ length: 20 }, () => ask(secrets)));
    all.push(await ask(open(layout, hardLinks)));
    for (const one of all) assert.equal(one.toString(), "secret 1");
    assert.deepEqual(await readdir(layout.uploadsRoot), []);
  });
}

test("two processes that create one concurrently get the same secret", async () => {
  const layout = await newLayout();
  const asked = Array.from({ length: 8 }, (_, index) =>
    open(layout, true).secret("name", () => Buffer.from(`of process ${index}`)),
  );
  const texts = new Set((await Promise.all(asked)).map(String));
  assert.equal(texts.size, 1, [...texts].join());
});

test("only the server's user may read it, even if another user created the folder", async () => {
  const layout = await newLayout();
  await open(layout, true).secret("name", () => Buffer.from("secret"));
  const modeOf = async (path: string) => (await stat(path)).mode & 0o777;
  assert.equal(await modeOf(`${layout.secretsRoot}/name`), 0o600);
  assert.equal(await modeOf(layout.secretsRoot), 0o700);
  await chmod(layout.secretsRoot, 0o755);
  await open(layout, true).secret("other", () => Buffer.from("secret"));
  assert.equal(await modeOf(layout.secretsRoot), 0o700);
});

test("secrets do not count as stray files in a store", async () => {
  const layout = await newLayout();
  await open(layout, true).secret("name", () => Buffer.from("secret"));
  const odd = [];
  const quarantine = new Quarantine(
    layout,
    new Directories(layout.root, "full"),
    new CheckedFiles(layout.root, () => {}),
  );
  for await (const one of new StrayFiles(layout, quarantine).all()) odd.push(one);
  assert.deepEqual(odd, []);
});

test("the signing key is the same after a restart", async () => {
  const layout = await newLayout();
  const first = await keptSigningKey(open(layout, true));
  const second = await keptSigningKey(open(layout, true));
  assert.equal(first.id, second.id);
  assert.ok(first.privateKey.equals(second.privateKey));
});

test("in a read-only store the signing key lasts as long as the process", async () => {
  const readOnly = {
    secret: () =>
      Promise.reject(new RegistryError("storage-read-only", "the registry's storage is read-only")),
  };
  const [first, second] = [await keptSigningKey(readOnly), await keptSigningKey(readOnly)];
  assert.notEqual(first.id, second.id);
  const failed = { secret: () => Promise.reject(new RegistryError("storage-failed", "it failed")) };
  await assert.rejects(keptSigningKey(failed), { kind: "storage-failed" });
});

test("a configured key is accepted if it is one for ES256, and not revealed otherwise", async () => {
  const pemOf = (key: ReturnType<typeof ecKeys>["privateKey"], type: "pkcs8" | "sec1" = "pkcs8") =>
    key.export({ type, format: "pem" }).toString();
  const { privateKey, publicKey } = ecKeys();
  for (const type of ["pkcs8", "sec1"] as const)
    assert.ok((await signingKeyOf(pemOf(privateKey, type))).publicKey.equals(publicKey));
  const rsa = pemOf(rsaKeys().privateKey);
  const ofPublic = publicKey.export({ type: "spki", format: "pem" }).toString();
  for (const wrong of [rsa, ofPublic, "", "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----"])
    await assert.rejects(signingKeyOf(wrong), (error: Error) => {
      assert.match(error.message, /P-256/);
      assert.ok(!error.message.includes("secret") && error.cause === undefined);
      return true;
    });
});
