// Which names belong to an upstream registry: by `?ns=`, by prefix, or by default, and never both to an upstream and to this
// registry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "../support/client.js";
import { describe, image, newName } from "../support/content.js";
import { basic, bearer, LoginFiles, tokenFor } from "../support/login.js";
import { cacheOf, ScriptedUpstream } from "../support/upstream.js";

const hub = await ScriptedUpstream.start();
const other = await ScriptedUpstream.start();
const upstreams = [
  { name: "docker.io", url: hub.url },
  { name: "ghcr.io", url: other.url, prefix: "mirrors/github", namespace: "outer" },
];
const { gantry, client } = await serve({
  ...cacheOf(hub, { upstreams }),
  REGISTRY_STORAGE_DELETE_ENABLED: "true",
});
const files = await LoginFiles.make();
await files.users({ ann: "ann's", bob: "bob's" });
await files.policy(`
rules:
  - { repositories: "docker.io/library/allowed-*", anonymous: true, allow: pull }
  - { repositories: "docker.io/**", users: ann, allow: admin }
  - { repositories: "library/**", users: bob, allow: admin }
`);
const { client: strict } = await serve({
  ...cacheOf(hub, { upstreams }),
  ...files.settings,
  REGISTRY_AUTH_TOKENSERVICE_ENABLED: "true",
});

async function digestAt(path: string): Promise<string | number> {
  const { status, headers } = await client.head(path);
  return status === 200 ? String(headers["docker-content-digest"]) : status;
}

test("a name without a prefix belongs to the default upstream, with or without library/", async () => {
  const name = newName("app");
  const made = image();
  hub.add(`library/${name}`, made, "1");
  for (const one of [name, `library/${name}`, `docker.io/${name}`, `docker.io/library/${name}`])
    assert.equal(await digestAt(`/v2/${one}/manifests/1`), made.digest);
});

test("ns selects the upstream, as containerd and BuildKit send it", async () => {
  const name = newName("org/app");
  const made = image();
  other.add(`outer/${name}`, made, "1");
  assert.equal(await digestAt(`/v2/${name}/manifests/1?ns=ghcr.io`), made.digest);
  assert.equal(await digestAt(`/v2/mirrors/github/${name}/manifests/1`), made.digest);
  assert.equal(await digestAt(`/v2/${name}/manifests/1?ns=docker.io`), 404);
  assert.equal(await digestAt(`/v2/${name}/manifests/1`), 404);
});

/** Follows the links of a list. Returns its pages. */
async function pagesOf(path: string): Promise<Record<string, unknown>[]> {
  const pages: Record<string, unknown>[] = [];
  for (let next: string | undefined = path; next !== undefined && pages.length < 10; ) {
    const answer = await client.get(next);
    assert.equal(answer.status, 200, next);
    pages.push(answer.json() as Record<string, unknown>);
    next = /^<([^>]+)>; rel="next"$/.exec(String(answer.headers.link ?? ""))?.[1];
  }
  return pages;
}

test("the pages of a list lead on in the same way as the first one was requested", async () => {
  const name = newName("org/app");
  const made = image();
  for (const tag of ["1", "2", "3"]) other.add(`outer/${name}`, made, tag);
  const signatures = [1, 2].map(() => image({ subject: describe(made) }));
  for (const signature of signatures) other.add(`outer/${name}`, signature);
  for (const [requested, query] of [
    [name, "?n=1&ns=ghcr.io"],
    [`mirrors/github/${name}`, "?n=1"],
  ]) {
    const tags = await pagesOf(`/v2/${requested}/tags/list${query}`);
    assert.deepEqual(
      tags,
      ["1", "2", "3"].map((tag) => ({ name: requested, tags: [tag] })),
    );
    const referrers = await pagesOf(`/v2/${requested}/referrers/${made.digest}${query}`);
    assert.deepEqual(
      referrers.flatMap(({ manifests }) => (manifests as { digest: string }[]).map(({ digest }) => digest)),
      signatures.map(({ digest }) => digest).toSorted(),
    );
  }
});

test("ns is never an address to dial: an unknown one gets 404, and no request leaves", async () => {
  const made = image();
  const name = newName("library/app");
  hub.add(name, made, "1");
  for (const registry of [hub, other]) registry.take();
  for (const ns of ["evil.example", other.host, hub.host, "169.254.169.254", "docker.io/..", "DOCKER.IO"])
    assert.equal(await digestAt(`/v2/${name}/manifests/1?ns=${ns}`), 404, ns);
  assert.deepEqual(hub.take(), []);
  assert.deepEqual(other.take(), []);
});

test("ns with this registry's own host selects what is here", async () => {
  const name = newName("team/app");
  const made = image();
  await client.pushImage(name, made, "1");
  assert.equal(await digestAt(`/v2/${name}/manifests/1?ns=${gantry.host}`), made.digest);
});

test("a local name is never looked for at an upstream", async () => {
  const name = newName("team/app");
  hub.add(name, image(), "1");
  hub.take();
  assert.equal(await digestAt(`/v2/${name}/manifests/1`), 404);
  const made = image();
  await client.pushImage(name, made, "1");
  assert.equal(await digestAt(`/v2/${name}/manifests/1`), made.digest);
  assert.equal((await client.delete(`/v2/${name}/manifests/1`)).status, 202);
  assert.equal(await digestAt(`/v2/${name}/manifests/1`), 404);
  assert.deepEqual(hub.take(), []);
});

test("nobody can push a name of an upstream, in any of its forms", async () => {
  const name = newName("library/app");
  for (const path of [
    `/v2/${name}/blobs/uploads/`,
    `/v2/docker.io/${name}/blobs/uploads/`,
    `/v2/mirrors/github/${name}/blobs/uploads/`,
    `/v2/team/app/blobs/uploads/?ns=ghcr.io`,
  ]) {
    const { status, body } = await client.request("POST", path, { body: "" });
    assert.equal(status, 403, path);
    assert.match(body.toString(), /belongs to an upstream registry/);
  }
  const put = await client.putManifest(name, "1", image().bytes, image().mediaType);
  assert.equal(put.status, 403);
});

test("the policy decides by the canonical name, in whichever way the image is requested", async () => {
  const allowed = newName("library/allowed");
  const name = newName("library/app");
  for (const one of [allowed, name]) hub.add(one, image(), "1");
  const ann = basic("ann", "ann's");
  const bob = basic("bob", "bob's");
  hub.take();
  for (const one of [allowed, `docker.io/${allowed}`])
    assert.equal((await strict.head(`/v2/${one}/manifests/1`)).status, 200);
  const forms = [
    `/v2/${name}/manifests/1`,
    `/v2/docker.io/${name}/manifests/1`,
    `/v2/${name}/manifests/1?ns=docker.io`,
  ];
  hub.take();
  for (const form of forms) {
    const { status, headers } = await strict.head(form);
    assert.equal(status, 401);
    assert.match(String(headers["www-authenticate"]), new RegExp(`repository:docker.io/${name}:pull`));
    // His permission is for a name that belongs to the upstream, so it is for nothing.
    assert.equal((await strict.head(form, bob)).status, 403);
  }
  assert.deepEqual(hub.take(), []);
  for (const form of forms) assert.equal((await strict.head(form, ann)).status, 200);
});

test("a token for a name without its prefix, as Docker requests it, allows the pull", async () => {
  const name = newName("library/app");
  hub.add(name, image(), "1");
  const token = await tokenFor(strict, basic("ann", "ann's"), `repository:${name}:pull,push`);
  assert.equal((await strict.head(`/v2/${name}/manifests/1`, bearer(token))).status, 200);
  const push = await strict.request("POST", `/v2/${name}/blobs/uploads/`, {
    body: "",
    headers: bearer(token),
  });
  assert.equal(push.status, 403);
});
