// Upstream registries that are honest but unusual: without lengths, digests or a referrers API, with encodings and trailers,
// and with answers to HEAD and GET that differ.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { type Answer, serve } from "../support/client.js";
import { blobOf, describe, digestOf, image, index, newName } from "../support/content.js";
import { download } from "../support/download.js";
import { cacheOf, type Misbehaviour, ScriptedUpstream } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const { gantry, client } = await serve(cacheOf(upstream, { tagttl: "0s", absentttl: "0s", timeout: "3s" }));

const mebibyte = 1024 * 1024;

/** Runs `work` while the upstream answers like this to requests for the repository. */
async function during<T>(name: string, misbehave: Misbehaviour, work: () => Promise<T>): Promise<T> {
  upstream.misbehave = (request, response) =>
    request.path.includes(name) ? misbehave(request, response) : false;
  try {
    return await work();
  } finally {
    upstream.misbehave = () => false;
  }
}

function offer(bytes: number) {
  const name = newName("library/app");
  const blob = blobOf(bytes);
  upstream.addBlob(name, blob);
  upstream.take();
  return { name, blob, path: `/v2/${name}/blobs/${blob.digest}` };
}

test("HEAD of a blob for which the upstream tells no length: it is fetched, and its size told", async () => {
  const { name, blob, path } = offer(100_000);
  const answers = await during(
    name,
    ({ method }, response) => {
      response.writeHead(200, { "Transfer-Encoding": "chunked" });
      response.end(method === "HEAD" ? undefined : blob.bytes);
      return true;
    },
    () => Promise.all([client.head(path), client.head(path)]),
  );
  for (const { status, headers } of answers)
    assert.deepEqual([status, headers["content-length"]], [200, String(blob.bytes.length)]);
  assert.deepEqual(upstream.take(), [`HEAD ${path}`, `GET ${path}`]);
});

test("a blob that HEAD has and GET has not is unknown when it is pulled", async () => {
  const { name, path } = offer(100_000);
  const misbehave: Misbehaviour = ({ method }, response) =>
    method === "GET" ? !!response.writeHead(404).end() : false;
  const [head, get] = await during(name, misbehave, async () => [
    await client.head(path),
    await client.get(path),
  ]);
  assert.deepEqual([head?.status, get?.status], [200, 404]);
});

test("a tag that HEAD says has moved to a manifest that GET has not stays as it is cached", async () => {
  const name = newName("library/app");
  const made = image();
  upstream.add(name, made, "1");
  const path = `/v2/${name}/manifests/1`;
  assert.equal((await client.get(path)).status, 200);
  const misbehave: Misbehaviour = ({ method }, response) => {
    if (method === "GET") return !!response.writeHead(404).end();
    return !!response.writeHead(200, { "Docker-Content-Digest": image().digest }).end();
  };
  const answer = await during(name, misbehave, () => client.get(path));
  assert.equal(answer.headers["docker-content-digest"], made.digest);
});

test("an upstream that tells no digests is asked for the whole manifest", async () => {
  const name = newName("library/app");
  const [first, second] = [image(), image()];
  const path = `/v2/${name}/manifests/1`;
  for (const made of [first, first, second]) {
    upstream.take();
    const answer = await during(
      name,
      ({ method }, response) => {
        response.writeHead(200, { "Content-Type": made.mediaType });
        response.end(method === "HEAD" ? undefined : made.bytes);
        return true;
      },
      () => client.get(path),
    );
    assert.equal(answer.headers["docker-content-digest"], made.digest);
    assert.ok(upstream.take().includes(`GET ${path}`));
  }
});

test("a blob with a content encoding is served as its bytes are, and only if these have the digest", async () => {
  const layer = gzipSync(Buffer.alloc(200_000, "layer"));
  const name = newName("library/app");
  const right = { digest: digestOf(layer) };
  const wrong = { digest: digestOf(Buffer.alloc(200_000, "layer")) };
  const encoded: Misbehaviour = (_, response) => {
    response.writeHead(200, { "Content-Encoding": "gzip", "Content-Length": layer.length }).end(layer);
    return true;
  };
  const get = ({ digest }: { digest: string }) => client.get(`/v2/${name}/blobs/${digest}`);
  const [stored, decoded] = await during(name, encoded, async () => [await get(right), await get(wrong)]);
  assert.ok(stored?.body.equals(layer));
  assert.equal(stored?.headers["content-encoding"], undefined);
  assert.equal(decoded?.status, 502);
});

test("a blob in chunks with trailers is served, unless the trailers tell another length", async () => {
  for (const [trailers, expected] of [
    [{ "Docker-Content-Digest": "sha256:forged", "Content-Encoding": "gzip" }, 200],
    [{ "Content-Length": "1" }, 502],
  ] as const) {
    const { name, blob, path } = offer(200_000);
    const misbehave: Misbehaviour = (_, response) => {
      response.writeHead(200, { Trailer: Object.keys(trailers).join(), "Transfer-Encoding": "chunked" });
      response.write(blob.bytes);
      response.addTrailers(trailers);
      response.end();
      return true;
    };
    const answer = await during(name, misbehave, () => client.get(path));
    assert.equal(answer.status, expected);
    if (expected === 200) assert.ok(answer.body.equals(blob.bytes));
  }
});

/** How the rest of a blob may be answered after its connection broke, and whether clients then get it. */
const rests: Readonly<
  Record<string, { isGood: boolean; of: (bytes: Buffer, start: number) => { range?: string; rest: Buffer } }>
> = {
  "the rest, of unknown length": {
    isGood: true,
    of: (bytes, start) => ({ range: `bytes ${start}-${bytes.length - 1}/*`, rest: bytes.subarray(start) }),
  },
  "another part than the rest": {
    isGood: false,
    of: (bytes) => ({ range: `bytes 0-${bytes.length - 1}/${bytes.length}`, rest: bytes }),
  },
  "a rest of a blob of another length": {
    isGood: false,
    of: (bytes, start) => ({
      range: `bytes ${start}-${bytes.length}/${bytes.length + 1}`,
      rest: bytes.subarray(start),
    }),
  },
  "the rest without its place": { isGood: true, of: (bytes, start) => ({ rest: bytes.subarray(start) }) },
  "the rest of changed content": {
    isGood: false,
    of: (bytes, start) => ({
      range: `bytes ${start}-${bytes.length - 1}/${bytes.length}`,
      rest: Buffer.alloc(bytes.length - start),
    }),
  },
};

for (const [what, { isGood, of }] of Object.entries(rests))
  test(`a broken fetch is answered with ${what}: readers get ${isGood ? "it" : "a broken connection"}`, async () => {
    const { name, blob, path } = offer(3 * mebibyte);
    const misbehave: Misbehaviour = ({ headers }, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "")?.[1] ?? 0);
      if (start === 0) {
        response.writeHead(200, { "Content-Length": blob.bytes.length, ETag: '"first"' });
        response.write(blob.bytes.subarray(0, mebibyte), () => response.destroy());
        return true;
      }
      const { range, rest } = of(blob.bytes, start);
      response.writeHead(206, { ETag: '"second"', ...(range !== undefined && { "Content-Range": range }) });
      response.end(rest);
      return true;
    };
    const received = await during(name, misbehave, async () => {
      const pulled = await download(`${gantry.url}${path}`);
      if (isGood) assert.ok((await pulled.ended).equals(blob.bytes));
      else await assert.rejects(pulled.ended, "the connection breaks");
      return pulled.received;
    });
    if (what.includes("another")) assert.ok(received.length <= mebibyte, "no byte of it is sent");
    upstream.take();
    const again = await askedAgain(path);
    assert.ok(again.body.equals(blob.bytes));
    assert.deepEqual(upstream.take(), isGood ? [] : [`GET ${path}`], "nothing wrong is stored");
  });

/** After a failure, the upstream may not be asked for a moment. */
async function askedAgain(path: string): Promise<Answer> {
  for (let tries = 0; ; tries++) {
    const answer = await client.get(path);
    if (answer.status === 200 || tries === 50) return answer;
    await pause(100);
  }
}

test("referrers of an upstream without the API come from the tag of its schema", async () => {
  const name = newName("library/signed");
  const made = image();
  const signature = image({ artifactType: "application/vnd.example.signature" });
  upstream.add(name, made, "1");
  upstream.add(name, signature);
  upstream.add(name, index([signature]), made.digest.replace(":", "-"));
  const misbehave: Misbehaviour = ({ path }, response) =>
    path.includes("/referrers/") ? !!response.writeHead(404).end() : false;
  const listed = await during(name, misbehave, async () => {
    await client.get(`/v2/${name}/manifests/1`);
    const { manifests } = (await client.get(`/v2/${name}/referrers/${made.digest}`)).json() as {
      manifests: { digest: string }[];
    };
    return manifests.map(({ digest }) => digest);
  });
  assert.deepEqual(listed, [signature.digest]);
  const tag = await client.get(`/v2/${name}/manifests/${made.digest.replace(":", "-")}`);
  assert.equal(tag.status, 200, "clients that know the schema only find the tag");
  assert.equal((await client.get(`/v2/${name}/manifests/${signature.digest}`)).status, 200);
});

test("referrers of the cache and of the upstream have pages, and are selected by type", async () => {
  const name = newName("library/signed");
  const made = image();
  const types = ["application/vnd.example.signature", "application/vnd.example.sbom"];
  const referrers = types.map((artifactType) => image({ artifactType, subject: describe(made) }));
  upstream.add(name, made, "1");
  for (const referrer of referrers) upstream.add(name, referrer);
  const [first] = referrers;
  assert.equal((await client.get(`/v2/${name}/manifests/${first?.digest}`)).status, 200, "cached");
  const digests = async (query: string) => {
    const answer = await client.get(`/v2/${name}/referrers/${made.digest}${query}`);
    return (answer.json() as { manifests: { digest: string }[] }).manifests.map(({ digest }) => digest);
  };
  assert.deepEqual(await digests(""), referrers.map(({ digest }) => digest).toSorted());
  for (const [at, type] of types.entries())
    assert.deepEqual(await digests(`?artifactType=${encodeURIComponent(type)}`), [referrers[at]?.digest]);
});
