// An htpasswd file in a running server: users follow its changes, and a broken file leaves the previous users.

import assert from "node:assert/strict";
import { mkdtemp, rename, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { hashSync } from "bcryptjs";
import { pino } from "pino";
import { ConfigError } from "../../src/config/errors.js";
import { openHtpasswd } from "../../src/server/htpasswd.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(`${tmpdir()}/gantry-htpasswd-`);
after(() => rm(folder, { recursive: true, force: true }));

const cost = 4;
const hash = hashSync("a secret", cost);

/** The log as text. */
function newLog() {
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(line) });
  const logged = (what: RegExp) => eventually(String(what), () => lines.find((line) => what.test(line)));
  return { log, lines, logged };
}

test("users follow the file, and a broken or missing one leaves the previous users", async () => {
  const path = `${folder}/users`;
  await writeFile(path, `alice:${hash}\nold:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=\n`);
  const { log, lines, logged } = newLog();
  const { verifier, close } = await openHtpasswd(path, log);
  const alice = await verifier.verify("alice", "a secret");
  assert.ok(alice);
  assert.equal(await verifier.verify("old", "secret"), undefined);
  await logged(/"line":2,"user":"old","scheme":"SHA-1"/);

  await writeFile(path, `alice:${hash.slice(0, -3)}`);
  await logged(/line 1: alice: not a complete bcrypt hash.*the previous users stay in effect/);
  assert.equal(verifier.verify("alice", "a secret"), alice);

  await unlink(path);
  await logged(/ENOENT.*the previous users stay in effect/);
  assert.equal(verifier.isCurrent(alice), true);

  await writeFile(`${path}.new`, `bob:${hash}\n`);
  await rename(`${path}.new`, path);
  await eventually("alice is out", () => (verifier.isCurrent(alice) === false ? true : undefined));
  assert.equal(await verifier.verify("alice", "a secret"), undefined);
  assert.equal((await verifier.verify("bob", "a secret"))?.subject, "user:bob");
  assert.ok(lines.every((line) => !line.includes(hash.slice(7)) && !line.includes("a secret")));
  await close();
});

for (const [what, text, said] of [
  ["that does not exist", undefined, /none: ENOENT/],
  ["that is broken", "alice", /broken: line 1: expected name:hash/],
] as const) {
  test(`a file ${what} is a setting with which no server starts`, async () => {
    const path = `${folder}/${text === undefined ? "none" : "broken"}`;
    if (text !== undefined) await writeFile(path, text);
    await assert.rejects(
      openHtpasswd(path, newLog().log),
      (error) => error instanceof ConfigError && said.test(error.message),
    );
  });
}

test("a file without users, or emptied later, is reported", async () => {
  const path = `${folder}/emptied`;
  await writeFile(path, "# nobody yet\n");
  const { log, lines, logged } = newLog();
  const { close } = await openHtpasswd(path, log);
  await logged(/"level":40.*the htpasswd file has no users/);
  await writeFile(path, `alice:${hash}\n`);
  await logged(/"users":1.*users loaded/);
  const told = lines.length;
  await writeFile(path, "");
  await eventually("it is told", () =>
    lines.slice(told).find((line) => /the htpasswd file has no users/.test(line)),
  );
  await close();
});
