// Import from a running registry, through the real program: the source is a Gantry, behind a proxy that causes difficulties
// if the test is about them.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ImportReport } from "../../src/registry/import/report.js";
import { issueCertificate } from "../support/certificates.js";
import { Client, serve } from "../support/client.js";
import { gantry } from "../support/command.js";
import { blobOf, describe, descriptorOf, image, index, types } from "../support/content.js";
import { frontOf, tokenServer } from "../support/front.js";
import { startInside } from "../support/inside.js";

const { gantry: source, client: sourceClient } = await serve();

const large = blobOf(5 * 1024 * 1024 + 3);
const shared = image({ layers: [descriptorOf(large, types.layer)] });
const other = image();
const many = index([shared, other]);
const attached = image({ subject: describe(shared), artifactType: "application/x.test" });
const onAttached = image({ subject: describe(attached) });

for (const name of ["team/app", "team/copy", "tools/lint"]) {
  await sourceClient.pushBlobs(name, large);
  await sourceClient.pushImage(name, shared, "v1");
}
await sourceClient.pushImage("team/app", other, "v2");
await sourceClient.pushImage("team/app", many, "all");
for (const made of [attached, onAttached]) await sourceClient.pushImage("team/app", made);

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-import-registry-"));
  after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function runImport(root: string, url: string, ...flags: string[]) {
  const ran = await gantry(root, ["import", "--from-registry", url, "--json", ...flags]);
  assert.notEqual(ran.stdout, "", ran.stderr);
  return { code: ran.code, ...ran.json<ImportReport>() };
}

function whats({ problems }: ImportReport): string {
  return problems.map(({ what }) => what).join("\n");
}

async function passwordFile(): Promise<string> {
  const file = join(await newFolder(), "password");
  await writeFile(file, "secret\n");
  return file;
}

const basic = `Basic ${Buffer.from("me:secret").toString("base64")}`;

test("everything that a registry lists is imported once, with referrers; a second run fetches no blob", async () => {
  const front = await frontOf(source.url);
  const root = await newFolder();
  await using server = await startInside({}, root);
  const report = await runImport(root, front.url);
  assert.deepEqual([report.code, report.problems, report.odd], [0, [], []]);
  assert.deepEqual([report.repositories, report.tags.imported, report.manifests.imported], [3, 5, 7]);
  const fetched = front.requests.filter((line) => line.endsWith(`/blobs/${large.digest}`));
  assert.equal(fetched.length, 1, "a blob in several repositories is fetched once");
  assert.equal(report.blobs.shared.count, 4);
  const client = new Client(server.url);
  assert.ok((await client.get("/v2/team/app/manifests/all")).body.equals(many.bytes));
  assert.ok((await client.get(`/v2/tools/lint/blobs/${large.digest}`)).body.equals(large.bytes));
  for (const [subject, referrer] of [
    [shared, attached],
    [attached, onAttached],
  ] as const) {
    const answer = (await client.get(`/v2/team/app/referrers/${subject.digest}`)).json();
    assert.deepEqual((answer as { manifests: { digest: string }[] }).manifests[0]?.digest, referrer.digest);
  }
  const before = front.requests.length;
  const again = await runImport(root, front.url);
  assert.deepEqual([again.code, again.manifests, again.tags.there], [0, { imported: 0, there: 7 }, 5]);
  const later = front.requests.slice(before);
  assert.ok(!later.some((line) => /\/blobs\/|GET .*\/manifests\//.test(line)), later.join("\n"));
});

test("repositories and tags are imported by pattern, and repositories named in full without the registry's list", async () => {
  const front = await frontOf(source.url);
  const byPattern = await runImport(await newFolder(), front.url, "--repository", "team/*", "--tag", "v*");
  assert.deepEqual([byPattern.code, byPattern.repositories, byPattern.tags.imported], [0, 2, 3]);
  assert.equal(byPattern.manifests.imported, 5, "two tagged twice over, and two that refer to one");
  const before = front.requests.length;
  const byName = await runImport(await newFolder(), front.url, "--repository", "tools/lint");
  assert.deepEqual([byName.code, byName.tags.imported], [0, 1]);
  assert.ok(!front.requests.slice(before).some((line) => line.includes("_catalog")));
  const missing = await runImport(await newFolder(), front.url, "--repository", "tools/none");
  assert.equal(missing.code, 1);
  assert.match(whats(missing), /tools\/none\/tags\/list.* is 404/);
  const emptied = await frontOf(source.url, {
    hook: ({ url = "" }, response) => {
      if (!url.startsWith("/v2/team/copy/tags/list")) return false;
      response.writeHead(404).end();
      return true;
    },
  });
  const others = await runImport(await newFolder(), emptied.url, "--repository", "team/*");
  assert.deepEqual([others.code, others.tags.imported, others.odd.length], [0, 3, 1]);
});

test("paginated lists are read to the end", async () => {
  const pages = await frontOf(source.url, {
    hook: (incoming) => {
      incoming.url = incoming.url?.replace("n=1000", "n=1");
      return false;
    },
  });
  const report = await runImport(await newFolder(), pages.url);
  assert.deepEqual([report.code, report.repositories, report.tags.imported], [0, 3, 5]);
  const loop = await frontOf(source.url, {
    hook: ({ url = "" }, response) => {
      if (!url.startsWith("/v2/_catalog")) return false;
      response.setHeader("Link", `<${url}>; rel="next"`).end('{"repositories":["team/app"]}');
      return true;
    },
  });
  const ran = await gantry(await newFolder(), ["import", "--from-registry", loop.url]);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /is the same page/);
});

test("without a referrers API, the tags of its schema are read", async () => {
  const list = index([attached]);
  await sourceClient.pushBlobs("schema/app", large);
  await sourceClient.pushImage("schema/app", shared, "v1");
  await sourceClient.pushImage("schema/app", attached);
  await sourceClient.pushImage("schema/app", list, shared.digest.replace(":", "-"));
  after(() => sourceClient.delete(`/v2/schema/app/manifests/${shared.digest.replace(":", "-")}`));
  const front = await frontOf(source.url, {
    hook: ({ url = "" }, response) => {
      if (!url.includes("/referrers/")) return false;
      response.writeHead(404).end();
      return true;
    },
  });
  const schemaTag = shared.digest.replace(":", "-");
  for (const [flags, left, there] of [
    [[], 1, ["v1"]],
    [["--referrers-tags"], 0, [schemaTag, "v1"]],
    [["--tag", "v1"], 0, ["v1"]],
  ] as const) {
    const root = await newFolder();
    const report = await runImport(root, front.url, "--repository", "schema/app", ...flags);
    assert.deepEqual([report.code, report.tags.referrers], [0, left]);
    await using server = await startInside({}, root);
    const client = new Client(server.url);
    assert.deepEqual((await client.get("/v2/schema/app/tags/list")).json(), {
      name: "schema/app",
      tags: there,
    });
    const answer = (await client.get(`/v2/schema/app/referrers/${shared.digest}`)).json();
    assert.deepEqual((answer as { manifests: { digest: string }[] }).manifests[0]?.digest, attached.digest);
  }
});

/** Requests a token from the server at `realm`, a separate one for each repository. */
function tokenHook(realm: string) {
  return ({ url = "", headers }: IncomingMessage, response: ServerResponse): boolean => {
    if (headers.authorization?.startsWith("Bearer token-")) return false;
    const name = /^\/v2\/(.+)\/(?:manifests|blobs|tags|referrers)\//.exec(url)?.[1];
    const scope = name === undefined ? "registry:catalog:*" : `repository:${name}:pull`;
    response
      .writeHead(401, { "WWW-Authenticate": `Bearer realm="${realm}/token",service="test",scope="${scope}"` })
      .end();
    return true;
  };
}

test("a tag of the referrers schema is kept if its entries refer to nothing, and skipped if it lists its own subject", async () => {
  const name = "circle/app";
  await sourceClient.pushBlobs(name, large);
  await sourceClient.pushImage(name, shared, "v1");
  await sourceClient.pushImage(name, other, "v2");
  await sourceClient.pushImage(name, attached);
  const circle = shared.digest.replace(":", "-");
  const unrelated = other.digest.replace(":", "-");
  await sourceClient.pushImage(name, index([attached, shared]), circle);
  await sourceClient.pushImage(name, index([shared]), unrelated);
  after(async () => {
    for (const tag of [circle, unrelated]) await sourceClient.delete(`/v2/${name}/manifests/${tag}`);
  });
  const root = await newFolder();
  const report = await runImport(root, source.url, "--repository", name);
  assert.deepEqual([report.code, report.tags.referrers], [0, 1]);
  await using server = await startInside({}, root);
  const { tags } = (await new Client(server.url).get(`/v2/${name}/tags/list`)).json() as { tags: string[] };
  assert.deepEqual(tags, [unrelated, "v1", "v2"].sort());
});

test("the password is sent only to an allowed token server", async () => {
  const tokens = await tokenServer();
  const front = await frontOf(source.url, { hook: tokenHook(tokens.url) });
  const login = ["--username", "me", "--password-file", await passwordFile()];
  const refused = await gantry(await newFolder(), ["import", "--from-registry", front.url, ...login]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, new RegExp(`--realm-host ${tokens.host}`));
  assert.deepEqual([tokens.requests, front.authorizations], [[], []], "no credentials were sent");

  const allowed = await runImport(await newFolder(), front.url, ...login, "--realm-host", tokens.host);
  assert.deepEqual([allowed.code, allowed.problems], [0, []]);
  assert.ok(tokens.requests.includes("GET /token?service=test&scope=repository%3Atools%2Flint%3Apull"));
  assert.ok(tokens.authorizations.length > 0 && tokens.authorizations.every((sent) => sent === basic));
  assert.ok(front.authorizations.every((sent) => sent.startsWith("Bearer ")));

  const given = tokens.authorizations.length;
  const anonymous = await runImport(await newFolder(), front.url);
  assert.equal(anonymous.code, 0, "without a password there is nothing to reveal");
  assert.equal(tokens.authorizations.length, given);
});

test("an expired token is renewed", async () => {
  const tokens = await tokenServer();
  const challenge = tokenHook(tokens.url);
  const used = new Map<string, number>();
  const front = await frontOf(source.url, {
    hook: (incoming, response) => {
      const token = incoming.headers.authorization ?? "";
      used.set(token, (used.get(token) ?? 0) + 1);
      if ((used.get(token) ?? 0) > 3) delete incoming.headers.authorization;
      return challenge(incoming, response);
    },
  });
  const report = await runImport(await newFolder(), front.url, "--connections", "1");
  assert.deepEqual([report.code, report.problems], [0, []]);
  assert.ok(tokens.tokens.length > 4);
});

test("a registry that requires name and password gets them, and wrong ones are reported", async () => {
  const front = await frontOf(source.url, {
    hook: ({ headers }, response) => {
      if (headers.authorization === basic) return false;
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
      return true;
    },
  });
  const file = await passwordFile();
  const report = await runImport(await newFolder(), front.url, "--username", "me", "--password-file", file);
  assert.deepEqual([report.code, report.problems], [0, []]);
  for (const [flags, said] of [
    [["--username", "you", "--password-file", file], /credentials refused \(--username/],
    [[], /requires a user name and a password/],
  ] as const) {
    const ran = await gantry(await newFolder(), ["import", "--from-registry", front.url, ...flags]);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, said);
  }
});

test("blobs are fetched from a redirect's target, without credentials", async () => {
  const store = await frontOf(source.url);
  const hook = ({ url = "", headers }: IncomingMessage, response: ServerResponse): boolean => {
    if (headers.authorization !== basic) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="test"' }).end();
      return true;
    }
    if (!url.includes("/blobs/")) return false;
    response.writeHead(307, { Location: `${store.url}${url}` }).end();
    return true;
  };
  const front = await frontOf(source.url, { hook });
  const login = ["--username", "me", "--password-file", await passwordFile()];
  const report = await runImport(await newFolder(), front.url, ...login);
  assert.deepEqual([report.code, report.problems], [0, []]);
  assert.ok(store.requests.length > 0);
  assert.deepEqual(store.authorizations, []);
});

test("a broken download of a blob is resumed, and a wrong rest is not accepted", async () => {
  const broken = new Set<string>();
  const front = await frontOf(source.url, {
    hook: ({ url = "", headers }, response) => {
      if (!url.endsWith(`/blobs/${large.digest}`)) return false;
      if (headers.range !== undefined && broken.has(headers.range)) return false;
      if (headers.range !== undefined || broken.size === 0) {
        const start = Number(/bytes=(\d+)-/.exec(headers.range ?? "")?.[1] ?? 0);
        broken.add(headers.range ?? `bytes=${start}`);
        const rest = large.bytes.subarray(start);
        response.writeHead(headers.range === undefined ? 200 : 206, { "Content-Length": rest.length });
        const half = start === 0 ? rest.subarray(0, 2_000_000) : rest;
        response.write(half, () => (start === 0 ? response.destroy() : response.end()));
        return true;
      }
      return false;
    },
  });
  const report = await runImport(await newFolder(), front.url, "--repository", "tools/lint");
  assert.deepEqual([report.code, report.problems], [0, []]);
  assert.ok(
    [...broken].some((range) => /^bytes=[1-9]/.test(range)),
    [...broken].join(),
  );

  const liar = await frontOf(source.url, {
    hook: ({ url = "" }, response) => {
      if (!url.includes("/blobs/")) return false;
      response.end("something else");
      return true;
    },
  });
  const root = await newFolder();
  const lied = await runImport(root, liar.url, "--repository", "tools/lint");
  assert.equal(lied.code, 1);
  assert.match(whats(lied), /do not match the digest/);
  assert.deepEqual([lied.tags.imported, lied.manifests.imported], [0, 0]);
});

test("a busy registry is retried at the time it states, and given up if it stays busy", async () => {
  let busy = 0;
  const front = await frontOf(source.url, {
    hook: ({ url = "" }, response) => {
      if (!url.includes("/manifests/") || busy++ > 1) return false;
      response.writeHead(429, { "Retry-After": "1" }).end();
      return true;
    },
  });
  const report = await runImport(await newFolder(), front.url, "--repository", "tools/lint");
  assert.deepEqual([report.code, report.problems], [0, []]);
  assert.ok(busy > 2);
});

test("the rate limit is respected", async () => {
  const root = await newFolder();
  const begun = performance.now();
  const report = await runImport(root, source.url, "--repository", "tools/lint", "--rate", "2MiB");
  const seconds = (performance.now() - begun) / 1000;
  assert.equal(report.code, 0);
  assert.ok(seconds > 2.3, `5 MiB at 2 MiB/s came in ${seconds} s`);
});

test("a TLS registry is trusted by the given authority only", async () => {
  const authority = await issueCertificate({ name: "authority", authority: true });
  const { pem, keyPem } = await issueCertificate({
    name: "registry",
    by: authority,
    addresses: ["127.0.0.1"],
  });
  const front = await frontOf(source.url, { tls: { key: keyPem, cert: pem } });
  const ca = join(await newFolder(), "ca.pem");
  await writeFile(ca, authority.pem);
  const report = await runImport(await newFolder(), front.url, "--ca", ca, "--repository", "tools/lint");
  assert.deepEqual([report.code, report.problems], [0, []]);
  const untrusted = await gantry(await newFolder(), ["import", "--from-registry", front.url]);
  assert.equal(untrusted.code, 1);
  assert.match(untrusted.stderr, /cannot be reached.*certificate/);
  const plain = await frontOf(source.url, {
    tls: { key: keyPem, cert: pem },
    hook: ({ url = "" }, response) => {
      if (!url.includes("/blobs/")) return false;
      response.writeHead(307, { Location: `${source.url}${url}` }).end();
      return true;
    },
  });
  const downgraded = await runImport(await newFolder(), plain.url, "--ca", ca, "--repository", "tools/lint");
  assert.equal(downgraded.code, 1);
  assert.match(whats(downgraded), /without TLS/);
});

test("a manifest with wrong descriptors is imported with a warning for each, without a failure", async () => {
  const lenient = await serve({ REGISTRY_VALIDATION_MANIFESTS_SIZES: "lenient" });
  const name = "odd/app";
  const layer = blobOf(1000);
  const embedding = { ...descriptorOf(layer, types.layer), data: Buffer.from("other").toString("base64") };
  const wrongSize = image({ layers: [{ ...descriptorOf(layer, types.layer), size: 1001 }] });
  const wrongData = image({ layers: [embedding] });
  const wrongChild = index([other], { manifests: [{ ...describe(other), size: other.bytes.length + 1 }] });
  await lenient.client.pushBlobs(name, layer);
  await lenient.client.pushImage(name, wrongSize, "size");
  await lenient.client.pushImage(name, wrongSize, "again");
  await lenient.client.pushImage(name, wrongData, "data");
  await lenient.client.pushImage(name, other);
  await lenient.client.pushImage(name, wrongChild, "child");
  const root = await newFolder();
  const { code, problems, odd, tags, warned, warnings } = await runImport(root, lenient.gantry.url);
  assert.deepEqual([code, problems, odd, tags.imported], [0, [], [], 4]);
  assert.equal(warned, 3);
  for (const [made, said] of [
    [wrongSize, /size 1001, but its content has 1000/],
    [wrongData, /embedded data does not have/],
    [wrongChild, /has the size/],
  ] as const) {
    const [warning, ...more] = warnings.filter(({ digest }) => digest === made.digest);
    assert.deepEqual([warning?.repository, more], [name, []]);
    assert.match(warning?.what ?? "", said);
  }
  await using server = await startInside({}, root);
  const client = new Client(server.url);
  assert.ok((await client.get(`/v2/${name}/manifests/size`)).body.equals(wrongSize.bytes));
  assert.ok((await client.get(`/v2/${name}/blobs/${layer.digest}`)).body.equals(layer.bytes));
  const verified = await gantry(root, ["verify", "--json"]);
  assert.equal(verified.code, 0, verified.stdout);
  assert.deepEqual(verified.json<{ problems: unknown[] }>().problems, []);
  const text = await gantry(await newFolder(), ["import", "--from-registry", lenient.gantry.url]);
  assert.equal(text.code, 0);
  assert.match(text.stdout, new RegExp(`^warning: ${name}@${wrongSize.digest}: .*size 1001`, "m"));
  assert.match(text.stdout, /0 problems, 3 warnings$/m);
  const later = await runImport(root, lenient.gantry.url);
  assert.deepEqual([later.code, later.warned, later.manifests], [0, 0, { imported: 0, there: 4 }]);
});

test("a dry run fetches no blob and stores nothing", async () => {
  const front = await frontOf(source.url);
  const report = await runImport(await newFolder(), front.url, "--dry-run", "--repository", "t*/*");
  assert.deepEqual([report.code, report.manifests.imported, report.blobs.streamed.count], [0, 7, 0]);
  assert.ok(report.blobs.wanted.bytes > large.bytes.length);
  assert.ok(!front.requests.some((line) => line.includes("/blobs/")));
});
