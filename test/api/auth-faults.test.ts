// The most frequent vulnerabilities of registries: each test is named after the one that it prevents.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answer, assertError, Client, serve } from "../support/client.js";
import { blobOf, image, index, newName, types } from "../support/content.js";
import { oneProcess } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { basic, bearer, type Headers, LoginFiles, newRobot, tokenFor, tokenIn } from "../support/login.js";

const files = await LoginFiles.make();
await files.users({ owner: "1", ann: "2", bob: "3", maker: "4", remover: "5" });
await files.policy(`
rules:
  - { repositories: "**", users: owner, allow: admin }
  - { repositories: "public/**", anonymous: true, allow: pull }
  - { repositories: "team/**", users: [ann, bob], allow: [pull, push] }
  - { repositories: "team/**", users: maker, allow: [pull, create-tag] }
  - { repositories: "team/**", users: remover, allow: [pull, delete] }
  - { repositories: "drop/**", users: ann, allow: push }
`);
// A mount without a source finds what its process has seen.
const { gantry, client: nobody } = await serve({ ...files.settings, ...oneProcess });
const noDelete = await serve({ ...files.settings, REGISTRY_STORAGE_DELETE_ENABLED: "false" });

const by = (headers: Headers, at = gantry) => new Client(at.url, undefined, undefined, headers);
const owner = by(basic("owner", "1"));
const ann = by(basic("ann", "2"));
const bob = by(basic("bob", "3"));
const maker = by(basic("maker", "4"));
const remover = by(basic("remover", "5"));

const inTeam = () => newName("team/app");
const secret = () => newName("secret/app");

function mount(who: Client, to: string, digest: string, from?: string): Promise<Answer> {
  const source = from === undefined ? "" : `&from=${from}`;
  return who.request("POST", `/v2/${to}/blobs/uploads/?mount=${digest}${source}`, { body: "" });
}

/** The parts of a response that a client sees, without random ones and those that it sent itself. */
function told({ status, headers, body }: Answer): unknown {
  const { date: _, location = "", "docker-upload-uuid": __, ...rest } = headers;
  return { status, ...rest, location: location.replace(/[^/]+$/, "<session>"), body: body.toString() };
}

test("a blob is not mounted from a repository that the caller may not pull from, whose existence stays hidden", async () => {
  const [source, to] = [secret(), inTeam()];
  const hidden = blobOf(500);
  await owner.pushBlobs(source, hidden);
  const refused = await mount(ann, to, hidden.digest, source);
  assert.equal(refused.status, 202, "an upload starts instead");
  assert.deepEqual(told(refused), told(await mount(ann, to, blobOf(500).digest, source)));
  assert.deepEqual(told(refused), told(await mount(ann, to, hidden.digest, secret())));
  assert.equal((await ann.head(`/v2/${to}/blobs/${hidden.digest}`)).status, 404);
  assert.equal((await mount(owner, to, hidden.digest, source)).status, 201);
});

test("a blob is not mounted from a repository that the caller may push to but not pull from", async () => {
  const source = newName("drop/app");
  const blob = blobOf(500);
  await ann.pushBlobs(source, blob);
  assert.equal((await mount(ann, inTeam(), blob.digest, source)).status, 202);
  assert.equal((await mount(ann, source, blob.digest, source)).status, 202);
});

test("a mount without a source finds only repositories that the caller may pull from", async () => {
  const to = inTeam();
  const hidden = blobOf(500);
  await owner.pushBlobs(secret(), hidden);
  const refused = await mount(ann, to, hidden.digest);
  assert.equal(refused.status, 202);
  assert.deepEqual(told(refused), told(await mount(ann, to, blobOf(1).digest)));
  await owner.pushBlobs(inTeam(), hidden);
  assert.equal((await mount(ann, to, hidden.digest)).status, 201);
});

test("a mount needs a token that also covers the source, and a caller who could get one is told so", async () => {
  const [source, to] = [inTeam(), inTeam()];
  const blob = blobOf(500);
  await owner.pushBlobs(source, blob);
  const credentials = basic("ann", "2");
  const into = `repository:${to}:pull,push`;
  const one = by(bearer(await tokenFor(nobody, credentials, into)));
  const scope = `scope="repository:${to}:pull,push repository:${source}:pull"`;
  const refused = await mount(one, to, blob.digest, source);
  assertError(refused, 401, "UNAUTHORIZED");
  assert.ok(String(refused.headers["www-authenticate"]).endsWith(`${scope},error="insufficient_scope"`));
  assert.deepEqual(
    told(await mount(one, to, blobOf(500).digest, source)),
    told(refused),
    "its existence is not revealed",
  );
  assert.ok(
    String((await mount(nobody, to, blob.digest, source)).headers["www-authenticate"]).includes(scope),
  );
  assert.equal((await mount(one, to, blob.digest)).status, 202);
  assert.equal((await mount(one, to, blob.digest, secret())).status, 202, "no token would help");
  const odd = await mount(nobody, to, blob.digest, 'a",error="x');
  assert.ok(!String(odd.headers["www-authenticate"]).includes("error"));
  const both = by(bearer(await tokenFor(nobody, credentials, into, `repository:${source}:pull`)));
  assert.equal((await mount(both, to, blob.digest, source)).status, 201);
});

test("knowing a digest gives no access to the content of another repository", async () => {
  const hidden = image();
  const [source, to] = [secret(), inTeam()];
  await owner.pushImage(source, hidden, "latest");
  const [config, layer] = hidden.blobs;
  assert.ok(config !== undefined && layer !== undefined);
  for (const path of [`manifests/${hidden.digest}`, "manifests/latest", `blobs/${layer.digest}`]) {
    assertError(await nobody.get(`/v2/${source}/${path}`), 401, "UNAUTHORIZED");
    assertError(await ann.get(`/v2/${source}/${path}`), 403, "DENIED");
    assert.equal((await ann.get(`/v2/${to}/${path}`)).status, 404);
  }
  assertError(await ann.close(await ann.openUpload(to), layer.digest), 400, "DIGEST_INVALID");
  assertError(
    await ann.putManifest(to, "latest", hidden.bytes, types.manifest),
    400,
    "MANIFEST_BLOB_UNKNOWN",
  );
  assertError(
    await ann.putManifest(to, "latest", index([hidden]).bytes, types.index),
    400,
    "MANIFEST_BLOB_UNKNOWN",
  );
});

test("a condition reveals nothing about a repository that the caller may not see", async () => {
  const source = secret();
  const hidden = image();
  await owner.pushImage(source, hidden);
  const path = `/v2/${source}/manifests/${hidden.digest}`;
  for (const condition of ["*", `"${hidden.digest}"`])
    for (const who of [ann, nobody])
      assert.notEqual((await who.get(path, { "If-None-Match": condition })).status, 304);
});

test("an upload can only be continued in its own repository", async () => {
  const [name, other] = [inTeam(), inTeam()];
  const bytes = blobOf(10);
  const location = await ann.openUpload(name);
  const elsewhere = location.replace(name, other);
  assertError(await ann.get(elsewhere), 404, "BLOB_UPLOAD_UNKNOWN");
  assertError(await ann.patch(elsewhere, bytes.bytes), 404, "BLOB_UPLOAD_UNKNOWN");
  assertError(await ann.close(elsewhere, bytes.digest, bytes.bytes), 404, "BLOB_UPLOAD_UNKNOWN");
  assertError(await ann.delete(elsewhere), 404, "BLOB_UPLOAD_UNKNOWN");
  assert.equal((await ann.close(location, bytes.digest, bytes.bytes)).status, 201);
});

test("an upload belongs to its opener, even if others may push there", async () => {
  const name = inTeam();
  const bytes = blobOf(10);
  const location = await ann.openUpload(name);
  const robot = await newRobot(gantry.root, "ann", "--scope", "team/**:pull,push");
  for (const other of [bob, owner, by(basic(robot.user, robot.key))]) {
    assertError(await other.get(location), 404, "BLOB_UPLOAD_UNKNOWN");
    assertError(await other.patch(location, bytes.bytes), 404, "BLOB_UPLOAD_UNKNOWN");
    assertError(await other.close(location, bytes.digest, bytes.bytes), 404, "BLOB_UPLOAD_UNKNOWN");
    assertError(await other.delete(location), 404, "BLOB_UPLOAD_UNKNOWN");
  }
  assert.equal((await ann.get(location)).status, 204, "it is unchanged");
  const token = await tokenFor(nobody, basic("ann", "2"), `repository:${name}:push`);
  const closed = await by(bearer(token)).close(location, bytes.digest, bytes.bytes);
  assert.equal(closed.status, 201, "the opener, with another login");
});

test("an upload ends with its opener's permission to push", async () => {
  const name = inTeam();
  const location = await ann.openUpload(name);
  const less = by(bearer(await tokenFor(nobody, basic("ann", "2"), `repository:${name}:pull`)));
  assertError(await less.patch(location, blobOf(10).bytes), 401, "UNAUTHORIZED");
  assertError(await nobody.patch(location, blobOf(10).bytes), 401, "UNAUTHORIZED");
});

/** Returns everything that the catalog lists, page by page. */
async function catalogOf(who: Client): Promise<string[]> {
  const { repositories } = (await who.get("/v2/_catalog?n=1000")).json() as { repositories: string[] };
  return repositories;
}

test("the catalog shows only repositories that the caller may pull from, on all pages", async () => {
  const [team, open, hidden] = [inTeam(), newName("public/app"), secret()];
  for (const name of [team, open, hidden]) await owner.pushImage(name, index([]), "latest");
  const among = (shown: readonly string[]) => [team, open, hidden].filter((name) => shown.includes(name));
  assert.deepEqual(among(await catalogOf(owner)), [team, open, hidden]);
  assert.deepEqual(among(await catalogOf(ann)), [team, open]);
  assert.deepEqual(among(await catalogOf(nobody)), [open]);
  const pages: string[] = [];
  for (let last = ""; ; last = pages.at(-1) ?? "") {
    const answer = await ann.get(`/v2/_catalog?n=1&last=${last}`);
    pages.push(...(answer.json() as { repositories: string[] }).repositories);
    if (answer.headers.link === undefined) break;
    assert.doesNotMatch(String(answer.headers.link), /secret/);
  }
  assert.deepEqual(pages, await catalogOf(ann));
});

test("the catalog needs a login if nothing may be pulled without one", async () => {
  const strict = await LoginFiles.make();
  await strict.users({ ann: "2" });
  const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = strict.settings;
  await using server = await startInside({ REGISTRY_AUTH_HTPASSWD_PATH });
  const client = new Client(server.url);
  const refused = await client.get("/v2/_catalog");
  assertError(refused, 401, "UNAUTHORIZED");
  assert.match(String(refused.headers["www-authenticate"]), /scope="registry:catalog:\*"/);
  assert.equal((await client.get("/v2/_catalog", basic("ann", "2"))).status, 200);
  assertError(
    await client.get("/v2/_catalog", bearer(await tokenFor(client, {}, "registry:catalog:*"))),
    401,
    "UNAUTHORIZED",
  );
});

test("tags and referrers are listed for a caller who may only pull", async () => {
  const name = secret();
  const subject = image();
  await owner.pushImage(name, subject, "latest");
  await owner.pushImage(
    name,
    image({ subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.length } }),
  );
  for (const path of ["tags/list", `referrers/${subject.digest}`]) {
    assert.equal((await owner.get(`/v2/${name}/${path}`)).status, 200);
    assertError(await nobody.get(`/v2/${name}/${path}`), 401, "UNAUTHORIZED");
    assertError(await ann.get(`/v2/${name}/${path}`), 403, "DENIED");
  }
});

test("a caller who may only create tags cannot move existing ones by any route", async () => {
  const name = inTeam();
  const [first, other] = [image(), image()];
  await owner.pushImage(name, first, "latest");
  await maker.pushBlobs(name, ...other.blobs);
  const put = (reference: string) => maker.putManifest(name, reference, other.bytes, types.manifest);
  assertError(await put("latest"), 403, "DENIED");
  assertError(await put(`${other.digest}?tag=latest`), 403, "DENIED");
  assertError(await put(`${other.digest}?tag=new&tag=latest`), 403, "DENIED");
  assertError(await put(`${other.digest}?tag=%6catest`), 403, "DENIED");
  assertError(await put("%6catest"), 403, "DENIED");
  assertError(await maker.delete(`/v2/${name}/manifests/latest`), 403, "DENIED");
  assertError(await maker.delete(`/v2/${name}/manifests/${first.digest}`), 403, "DENIED");
  assert.equal((await maker.head(`/v2/${name}/manifests/new`)).status, 404, "and no part of it is done");
  assert.ok((await maker.get(`/v2/${name}/manifests/latest`)).body.equals(first.bytes));
  assert.equal((await put("new")).status, 201);
  assert.equal((await put("new")).status, 201, "a tag may be pushed again with the same manifest");
});

test("of many concurrent callers who create a tag, one succeeds", async () => {
  const name = inTeam();
  const images = Array.from({ length: 16 }, () => index([]));
  const answers = await Promise.all(
    images.map(({ bytes }) => maker.putManifest(name, "new", bytes, types.index)),
  );
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  assert.equal(answers.filter(({ status }) => status === 403).length, 15);
});

test("permission to delete does not include push, and push does not include delete", async () => {
  const name = inTeam();
  const made = image();
  await ann.pushImage(name, made, "latest");
  for (const path of ["manifests/latest", `manifests/${made.digest}`, `blobs/${made.blobs[0]?.digest}`])
    assertError(await ann.delete(`/v2/${name}/${path}`), 403, "DENIED");
  assertError(await remover.putManifest(name, "other", made.bytes, types.manifest), 403, "DENIED");
  assert.equal((await remover.delete(`/v2/${name}/manifests/latest`)).status, 202);
});

test("if deletion is disabled, not even an admin can delete a tag", async () => {
  const name = inTeam();
  const made = image();
  const root = by(basic("owner", "1"), noDelete.gantry);
  await root.pushImage(name, made, "latest");
  for (const path of ["manifests/latest", `manifests/${made.digest}`, `blobs/${made.blobs[0]?.digest}`]) {
    assertError(await root.delete(`/v2/${name}/${path}`), 405, "UNSUPPORTED");
    assertError(await noDelete.client.delete(`/v2/${name}/${path}`), 401, "UNAUTHORIZED");
  }
  assert.equal((await root.head(`/v2/${name}/manifests/latest`)).status, 200);
});

test("a token allows only what was requested and granted", async () => {
  const name = inTeam();
  await owner.pushImage(name, image(), "latest");
  const answer = tokenIn(
    await nobody.get(
      `/token?scope=repository:${name}:pull,delete&scope=repository:${secret()}:pull`,
      basic("ann", "2"),
    ),
  );
  assert.equal(answer.scope, `repository:${name}:pull`);
  const holder = by(bearer(answer.token));
  assert.equal((await holder.get(`/v2/${name}/manifests/latest`)).status, 200);
  const refused = await holder.request("POST", `/v2/${name}/blobs/uploads/`, { body: "" });
  assertError(refused, 401, "UNAUTHORIZED");
  const challenge = String(refused.headers["www-authenticate"]);
  assert.match(challenge, /error="insufficient_scope"/);
  assert.ok(challenge.includes(`scope="repository:${name}:pull,push"`), challenge);
  assertError(await holder.delete(`/v2/${name}/manifests/latest`), 403, "DENIED");
  assertError(await holder.get("/v2/_catalog"), 401, "UNAUTHORIZED");
});

test("a scope of several repositories keeps the actions of each", async () => {
  const [one, other] = [inTeam(), inTeam()];
  await owner.pushImage(one, image(), "latest");
  await owner.pushImage(other, image(), "latest");
  const scopes = [`repository:${one}:pull`, `repository:${other}:push`];
  const answer = tokenIn(await nobody.get(`/token?scope=${scopes.join("%20")}`, basic("ann", "2")));
  assert.deepEqual(answer.scope.split(" ").sort(), [...scopes].sort());
  const holder = by(bearer(answer.token));
  assert.equal((await holder.get(`/v2/${one}/manifests/latest`)).status, 200);
  assert.equal((await holder.get(`/v2/${other}/manifests/latest`)).status, 401);
  assert.equal((await holder.request("POST", `/v2/${one}/blobs/uploads/`, { body: "" })).status, 401);
  await holder.openUpload(other);
});

test("a token cannot be used to get another, so none is valid forever", async () => {
  const name = inTeam();
  const token = await tokenFor(nobody, basic("ann", "2"), `repository:${name}:pull`);
  assertError(await nobody.get(`/token?scope=repository:${name}:pull`, bearer(token)), 401, "UNAUTHORIZED");
});

test("this server's tokens are not passwords, and passwords are not tokens", async () => {
  const token = await tokenFor(nobody, basic("ann", "2"), "registry:catalog:*");
  assertError(await nobody.get("/v2/", basic("ann", token)), 401, "UNAUTHORIZED");
  assertError(await nobody.get("/v2/", bearer("2")), 401, "UNAUTHORIZED");
});

test("no spelling of a path bypasses the policy", async () => {
  const name = secret();
  const made = image();
  await owner.pushImage(name, made, "latest");
  const [, app = ""] = name.split("/");
  const spellings = [
    `/v2/public/../${name}/manifests/latest`,
    `/v2/public/..%2f${name}/manifests/latest`,
    `/v2/public%2F%2F..%2F..%2Fsecret/${app}/manifests/latest`,
    `/v2/public/%2e%2e/${name}/manifests/latest`,
    `/v2/public/x/manifests/..%2F..%2F..%2F${name.replace("/", "%2F")}%2Fmanifests%2Flatest`,
    `/v2/secret%2F${app}/manifests/latest`,
    `/v2//${name}/manifests/latest`,
    `/v2/./${name}/manifests/latest`,
    `/v2/SECRET/${app}/manifests/latest`,
    `//v2/${name}/manifests/latest`,
    `/v2/${name}/manifests/latest?name=public/x`,
    `/v2/public/x/blobs/..%2F..%2F..%2Fsecret%2F${app}%2Fblobs%2F${made.blobs[0]?.digest}`,
    `/v2/public/x/blobs/uploads/..%2F..%2F..%2F${name.replace("/", "%2F")}`,
    `/v2/public/x/manifests/latest%00/../${name}`,
  ];
  for (const path of spellings)
    for (const who of [nobody, ann]) {
      const { status, body } = await who.get(path);
      assert.ok([400, 401, 403, 404].includes(status), `${path}: ${status}`);
      assert.ok(!body.includes(made.digest) && !body.equals(made.bytes), path);
    }
});

test("invalid credentials are not ignored, not even for public content", async () => {
  const name = newName("public/app");
  await owner.pushImage(name, image(), "latest");
  const path = `/v2/${name}/manifests/latest`;
  assert.equal((await nobody.get(path)).status, 200);
  for (const value of [
    "Basic",
    "Basic !!!",
    "Basic OjI=",
    "Bearer",
    "Bearer x",
    "Digest a=b",
    `Basic ${"QQ".repeat(7200)}`,
    "Bearer eyJhbGciOiJub25lIn0.e30.",
  ])
    assertError(await nobody.get(path, { Authorization: value }), 401, "UNAUTHORIZED");
});

test("a refusal does not reveal what was wrong with the credentials", async () => {
  const answers = await Promise.all(
    [basic("ann", "wrong"), basic("unknown", "2"), basic("robot-unknown", "gantry_x"), basic("ann", "")].map(
      (headers) => nobody.get("/v2/", headers),
    ),
  );
  for (const answer of answers) assert.deepEqual(told(answer), told(answers[0] as Answer));
});

test("no cache on the way may store a blob for others", async () => {
  const name = inTeam();
  const blob = blobOf(10);
  await ann.pushBlobs(name, blob);
  assert.match(
    String((await ann.get(`/v2/${name}/blobs/${blob.digest}`)).headers["cache-control"]),
    /^private/,
  );
  const answer = await nobody.get("/token", basic("ann", "2"));
  assert.equal(answer.headers["cache-control"], "no-store");
});
