// The audit log: user, action, target, address and outcome, and never a secret.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import bcrypt from "bcryptjs";
import { Client, serveProcess } from "../support/client.js";
import { blobOf, image as newImage, index as newIndex, newName } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-audit-"));
after(() => rm(folder, { recursive: true, force: true }));
const file = join(folder, "audit.log");
const password = "correct horse";
await writeFile(join(folder, "users"), `alice:${await bcrypt.hash(password, 4)}\n`);
await writeFile(
  join(folder, "policy.yml"),
  `rules:
  - { repositories: "**", users: alice, allow: admin }
  - { repositories: "public/**", anonymous: true, allow: pull }
`,
);
const { gantry, client } = await serveProcess({
  REGISTRY_AUTH_HTPASSWD_PATH: join(folder, "users"),
  REGISTRY_AUTH_POLICY: join(folder, "policy.yml"),
  REGISTRY_AUDIT_TO: file,
  REGISTRY_HTTP_TRUSTEDPROXIES: "[127.0.0.1]",
});
const basic = (text: string) => ({ Authorization: `Basic ${Buffer.from(text).toString("base64")}` });
const alice = basic(`alice:${password}`);

interface Line {
  readonly action: string;
  readonly method: string;
  readonly subject: string;
  readonly address: string;
  readonly repository?: string;
  readonly reference?: string;
  readonly tags?: string[];
  readonly digest?: string;
  readonly status: number;
  readonly outcome: string;
}

async function linesOf(path: string, repository: string): Promise<Line[]> {
  const text = await readFile(path, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Line).filter((line) => line.repository === repository);
}

/** Returns the last line about the repository, once there is one with that method. */
function told(repository: string, method: string): Promise<Line> {
  return eventually(`a line of ${method}`, async () =>
    (await linesOf(file, repository)).findLast((line) => line.method === method),
  );
}

test("a push, a tag and a deletion each have a line with caller, address, object and outcome", async () => {
  const name = newName();
  const blob = blobOf(100);
  const image = newImage();
  const headers = { ...alice, "X-Forwarded-For": "198.51.100.9" };
  const push = (path: string, body: Uint8Array) => client.request("POST", path, { headers, body });
  assert.equal((await push(`/v2/${name}/blobs/uploads/?digest=${blob.digest}`, blob.bytes)).status, 201);
  const pushed = await told(name, "POST");
  assert.deepEqual(
    [pushed.action, pushed.subject, pushed.address, pushed.digest, pushed.status, pushed.outcome],
    ["push", "user:alice", "198.51.100.9", blob.digest, 201, "granted"],
  );
  for (const { bytes, digest } of image.blobs)
    await push(`/v2/${name}/blobs/uploads/?digest=${digest}`, bytes);
  const put = await client.request("PUT", `/v2/${name}/manifests/${image.digest}?tag=one&tag=two`, {
    headers: { ...headers, "Content-Type": image.mediaType },
    body: image.bytes,
  });
  assert.equal(put.status, 201, put.body.toString());
  const manifest = await told(name, "PUT");
  assert.deepEqual([manifest.reference, manifest.tags], [image.digest, ["one", "two"]]);
  const deleted = await client.request("DELETE", `/v2/${name}/manifests/one`, { headers });
  assert.equal(deleted.status, 202);
  const deletion = await told(name, "DELETE");
  assert.deepEqual([deletion.action, deletion.reference, deletion.outcome], ["delete", "one", "granted"]);
});

test("a refused request has a line; a client that learns how to log in has none, and neither has a pull", async () => {
  const name = newName();
  assert.equal((await client.get("/v2/")).status, 401);
  assert.equal((await client.get(`/v2/public/${name}/tags/list`)).status, 404);
  const refused = await client.request("POST", `/v2/${name}/blobs/uploads/`, { body: "" });
  assert.equal(refused.status, 401);
  const line = await told(name, "POST");
  assert.deepEqual([line.subject, line.status, line.outcome], ["anonymous", 401, "refused"]);
  assert.deepEqual(await linesOf(file, `public/${name}`), []);
});

test("no secret gets into it by any way", async () => {
  const name = newName();
  const secrets = ["hunter2-in-header", "hunter2-in-query", "hunter2-in-form"];
  await client.request("POST", `/v2/${name}/blobs/uploads/?password=${secrets[1]}`, {
    headers: basic(`alice:${secrets[0]}`),
    body: "",
  });
  const form = `grant_type=password&service=gantry&username=alice&password=${secrets[2]}`;
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  assert.equal((await client.request("POST", "/token", { headers, body: form })).status, 401);
  await told(name, "POST");
  const everything = (await readFile(file, "utf8")) + gantry.log();
  for (const secret of [...secrets, password]) assert.ok(!everything.includes(secret), secret);
  for (const secret of [...secrets, password])
    assert.ok(!everything.includes(Buffer.from(`alice:${secret}`).toString("base64")), secret);
});

test("a moved file is created again on SIGHUP, and nothing is lost", async () => {
  const moved = `${file}.1`;
  const [before, later] = [newName(), newName()];
  await client.request("POST", `/v2/${before}/blobs/uploads/`, { headers: alice, body: "" });
  await told(before, "POST");
  await rename(file, moved);
  process.kill(gantry.pid, "SIGHUP");
  await eventually("a new file", () => readFile(file, "utf8").catch(() => undefined));
  await client.request("POST", `/v2/${later}/blobs/uploads/`, { headers: alice, body: "" });
  await told(later, "POST");
  assert.equal((await linesOf(moved, before)).length, 1);
});

test("the page on security names exactly the fields of the lines", async () => {
  const [from, to] = [newName(), newName()];
  const blob = blobOf(100);
  const empty = newIndex([]);
  const send = (method: string, path: string, body: Uint8Array, type = empty.mediaType) =>
    client.request(method, path, { headers: { ...alice, "Content-Type": type }, body });
  await send("POST", `/v2/${from}/blobs/uploads/?digest=${blob.digest}`, blob.bytes);
  await send("POST", `/v2/${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`, new Uint8Array());
  await send("PUT", `/v2/${to}/manifests/${empty.digest}?tag=one`, empty.bytes);
  await told(to, "PUT");
  const fields = new Set((await linesOf(file, to)).flatMap((line) => Object.keys(line)));
  const page = await readFile(new URL("../../../docs/security.md", import.meta.url), "utf8");
  const section = page.split(/^## /m).find((text) => text.startsWith("Audit log\n")) ?? "";
  const rows = Array.from(section.matchAll(/^\| (`.*?) \|/gm), ([, names = ""]) => names);
  const named = rows.flatMap((names) => names.replaceAll("`", "").split(", "));
  // test/api/web-robots.test.ts shows this one.
  fields.add("robot");
  assert.deepEqual(named.toSorted(), [...fields].toSorted());
});

test("behind a trusted proxy, the client is sent to the public name for its token", async () => {
  const answer = await new Client(gantry.url).get("/v2/", {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "registry.example",
  });
  assert.match(String(answer.headers["www-authenticate"]), /realm="https:\/\/registry\.example\/token"/);
});

test("while the audit log cannot be written, the registry serves, reports it once, and stops on request", async () => {
  const full = await startInside({
    REGISTRY_AUTH_HTPASSWD_PATH: join(folder, "users"),
    REGISTRY_AUDIT_TO: "/dev/full",
  });
  for (let index = 0; index < 3; index++)
    assert.equal((await fetch(`${full.url}/v2/some/where/tags/list`)).status, 401);
  await full.stop();
  assert.equal(full.log().split("the audit log cannot be written").length - 1, 1, full.log());
});
