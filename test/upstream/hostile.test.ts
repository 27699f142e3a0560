// An upstream registry that lies or misbehaves costs the one request: 502 or 504 in the registry's format with its name,
// nothing stored, bounded memory and time.

import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { serve } from "../support/client.js";
import { blobOf, describe, digestOf, image, newName, types } from "../support/content.js";
import { cacheOf, ScriptedUpstream, type UpstreamRequest } from "../support/upstream.js";

const upstream = await ScriptedUpstream.start();
const { client } = await serve(cacheOf(upstream, { timeout: "2s", absentttl: "0s" }));

type Lie = (request: UpstreamRequest, response: ServerResponse) => unknown;

const made = image();
const valid = { "Content-Type": made.mediaType, "Docker-Content-Digest": made.digest };

/** Names for addresses that no registry has: a cloud's metadata service, this machine, a multicast group. */
const innerHosts = [
  ...["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]"],
  ...[
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[::ffff:0:169.254.169.254]",
    "[::169.254.169.254]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[::]",
    "0.0.0.0",
  ],
  ...["224.0.0.1", "100.100.100.200"],
];

/** Demands a token of the same upstream, whose token server answers like this. */
function withToken(answer: (response: ServerResponse) => unknown): Lie {
  return ({ path }, response) => {
    if (path.startsWith("/token/")) return answer(response);
    const challenge = `Bearer realm="${upstream.url}/token${path}",service="x"`;
    return response.writeHead(401, { "WWW-Authenticate": challenge }).end();
  };
}

function endlessly(response: ServerResponse): void {
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, " ")));
  };
  response.on("drain", more);
  more();
}

/** Answers to a request for a manifest. */
const manifestLies: Readonly<Record<string, Lie>> = {
  "a web page with status 200": (_, response) =>
    response.writeHead(200, { "Content-Type": "text/html" }).end("<html><body>Log in</body></html>"),
  "bytes of another digest": (_, response) => response.writeHead(200, valid).end(image().bytes),
  "a body without an end": (_, response) => endlessly(response.writeHead(200, valid)),
  "a body that stops": (_, response) =>
    response
      .writeHead(200, { ...valid, "Content-Length": made.bytes.length })
      .write(made.bytes.subarray(0, 10)),
  "half of the body": (_, response) => {
    response.writeHead(200, { ...valid, "Content-Length": made.bytes.length });
    response.write(made.bytes.subarray(0, 10), () => response.destroy());
  },
  "a manifest of 64 MiB": (_, response) =>
    response.writeHead(200, valid).end(Buffer.alloc(64 * 1024 * 1024, " ")),
  "a redirect loop": ({ path }, response) => response.writeHead(307, { Location: path }).end(),
  ...Object.fromEntries(
    innerHosts.map((host): [string, Lie] => [
      `a redirect to ${host}`,
      (_, response) => response.writeHead(307, { Location: `http://${host}/latest/meta-data/` }).end(),
    ]),
  ),
  "a token server that does not answer": withToken(() => {}),
  "a token without an end": withToken((response) => endlessly(response.writeHead(200))),
  "a token of another type": withToken((response) => response.writeHead(200).end('{"token":{"a":1}}')),
  "a token with a line feed": withToken((response) => response.writeHead(200).end('{"token":"a\\nHost: b"}')),
  "a token server that fails": withToken((response) => response.writeHead(500).end()),
  "a body in gzip": (_, response) =>
    response.writeHead(200, { ...valid, "Content-Encoding": "gzip" }).end(gzipSync(made.bytes)),
  "a redirect to a file": (_, response) => response.writeHead(307, { Location: "file:///etc/passwd" }).end(),
  "a token server of somebody else": (_, response) =>
    response
      .writeHead(401, { "WWW-Authenticate": 'Bearer realm="https://evil.example/token",service="x"' })
      .end(),
  "a malformed challenge": (_, response) =>
    response.writeHead(401, { "WWW-Authenticate": "Bearer realm=" }).end(),
  "deeply nested JSON": (_, response) =>
    response.writeHead(200, { "Content-Type": made.mediaType }).end("[".repeat(100_000)),
  "a manifest with the media type of a blob": (_, response) =>
    response.writeHead(200, { "Content-Type": "application/octet-stream" }).end("not JSON"),
};

for (const [what, lie] of Object.entries(manifestLies)) {
  test(`a manifest: ${what}`, async () => {
    const name = newName("library/lies");
    upstream.misbehave = async (request, response) => {
      if (!request.path.includes(name)) return false;
      await lie(request, response);
      return true;
    };
    const begun = performance.now();
    const { status, body } = await client.get(`/v2/${name}/manifests/1`);
    assert.ok([502, 504].includes(status), `${status} ${body}`);
    assert.ok(performance.now() - begun < 5_000, "the client waits for a bounded time");
    if (what.startsWith("a redirect to ") && what !== "a redirect to a file")
      assert.match(body.toString(), /less public than its own/);
    const [error] = (JSON.parse(body.toString()) as { errors: { code: string; message: string }[] }).errors;
    assert.equal(error?.code, "UNKNOWN");
    assert.match(error?.message ?? "", /the upstream docker\.io/);
    upstream.misbehave = () => false;
    await upstreamIsAsked();
    assert.equal((await client.get(`/v2/${name}/manifests/1`)).status, 404);
    assert.equal((await client.get(`/v2/${name}/manifests/${made.digest}`)).status, 404);
  });
}

/** Answers to a request for a blob of one MiB. */
const blob = blobOf(1024 * 1024);
const blobLies: Readonly<Record<string, Lie>> = {
  "shorter than announced": (_, response) => {
    response.writeHead(200, { "Content-Length": blob.bytes.length });
    response.write(blob.bytes.subarray(0, 1000), () => response.destroy());
  },
  "of another digest": (_, response) => response.writeHead(200).end(Buffer.alloc(blob.bytes.length)),
  "an empty body": (_, response) => response.writeHead(200, { "Content-Length": 0 }).end(),
  "a redirect to a private address": (_, response) =>
    response.writeHead(307, { Location: "http://169.254.169.254/blob" }).end(),
  "status 500": (_, response) => response.writeHead(500).end(),
};

for (const [what, lie] of Object.entries(blobLies)) {
  test(`a blob: ${what}`, async () => {
    const name = newName("library/lies");
    upstream.misbehave = async (request, response) => {
      if (!request.path.includes(name)) return false;
      await lie(request, response);
      return true;
    };
    const path = `/v2/${name}/blobs/${blob.digest}`;
    const answer = await client.get(path).catch((error: Error) => error);
    if (!(answer instanceof Error)) assert.ok([502, 504].includes(answer.status), String(answer.status));
    upstream.misbehave = () => false;
    await upstreamIsAsked();
    assert.equal((await client.get(path)).status, 404);
  });
}

/** Answers to a request for a blob that never send one byte of it. */
const silentBlobs: Readonly<Record<string, Lie>> = {
  "of unknown length": (_, response) => response.writeHead(200).flushHeaders(),
  "with a length": (_, response) =>
    response.writeHead(200, { "Content-Length": blob.bytes.length }).flushHeaders(),
  "with a chunk extension without an end": (_, { socket }) => {
    assert.ok(socket);
    const extension = Buffer.alloc(16_384, "a");
    const more = setInterval(() => socket.write(extension), 20);
    socket.on("close", () => clearInterval(more));
    socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
  },
};

for (const [what, lie] of Object.entries(silentBlobs)) {
  test(`a blob ${what} of which nothing arrives ends after the timeout, and is asked for once`, async () => {
    const name = newName("library/silent");
    let asked = 0;
    upstream.misbehave = async (request, response) => {
      if (!request.path.includes(name)) return false;
      if (request.method === "GET") asked++;
      await lie(request, response);
      return true;
    };
    const begun = performance.now();
    const answer = await client.get(`/v2/${name}/blobs/${blob.digest}`).catch((error: Error) => error);
    const seconds = (performance.now() - begun) / 1000;
    if (!(answer instanceof Error)) assert.ok([502, 504].includes(answer.status), String(answer.status));
    assert.ok(seconds < 10, `the client waited for ${seconds} s`);
    assert.equal(asked, 1);
    upstream.misbehave = () => false;
    await upstreamIsAsked();
  });
}

test("a blob without an announced length is served when it is complete", async () => {
  const name = newName("library/unannounced");
  upstream.misbehave = ({ path }, response) => {
    if (!path.includes(name)) return false;
    response.writeHead(200).end(blob.bytes);
    return true;
  };
  const { status, body } = await client.get(`/v2/${name}/blobs/${blob.digest}`);
  upstream.misbehave = () => false;
  assert.equal(status, 200);
  assert.equal(digestOf(body), blob.digest);
});

test("endless pages of tags end, and the tags that are here are listed", async () => {
  const name = newName("library/pages");
  upstream.add(name, image(), "1");
  assert.equal((await client.get(`/v2/${name}/manifests/1`)).status, 200);
  let pages = 0;
  upstream.misbehave = ({ path }, response) => {
    if (!path.includes("/tags/list")) return false;
    pages++;
    response.writeHead(200, {
      "Content-Type": "application/json",
      Link: `</v2/${name}/tags/list?last=${pages}>; rel="next"`,
    });
    response.end(JSON.stringify({ tags: Array.from({ length: 1000 }, (_, at) => `t${pages}-${at}`) }));
    return true;
  };
  const { status, body } = await client.get(`/v2/${name}/tags/list`);
  upstream.misbehave = () => false;
  assert.equal(status, 200);
  assert.deepEqual((JSON.parse(body.toString()) as { tags: string[] }).tags, ["1"]);
  assert.ok(pages <= 200, `${pages} pages`);
});

test("endless pages of referrers end, and those that are here are listed", async () => {
  const name = newName("library/pages");
  const signature = image({ artifactType: "application/vnd.example.signature", subject: describe(made) });
  upstream.add(name, signature);
  assert.equal((await client.get(`/v2/${name}/manifests/${signature.digest}`)).status, 200);
  let pages = 0;
  upstream.misbehave = ({ path }, response) => {
    if (!path.includes("/referrers/")) return false;
    const next = `</v2/${name}/referrers/${made.digest}?last=${++pages}>; rel="next"`;
    response.writeHead(200, { "Content-Type": types.index, Link: next });
    const manifests = Array.from({ length: 100 }, () => describe(image()));
    response.end(JSON.stringify({ schemaVersion: 2, mediaType: types.index, manifests }));
    return true;
  };
  const { status, body } = await client.get(`/v2/${name}/referrers/${made.digest}`);
  upstream.misbehave = () => false;
  assert.equal(status, 200);
  const { manifests } = JSON.parse(body.toString()) as { manifests: { digest: string }[] };
  assert.deepEqual(
    manifests.map(({ digest }) => digest),
    [signature.digest],
  );
  assert.ok(pages <= 20, `${pages} pages`);
});

test("credentials go to the upstream and its token server only, and follow no redirect", async () => {
  const elsewhere = await ScriptedUpstream.start();
  const withLogin = await serve(
    cacheOf(upstream, {
      upstreams: [{ name: "docker.io", url: upstream.url, username: "operator", password: "s3cret" }],
    }),
  );
  const name = newName("library/private");
  elsewhere.addBlob(name, blob);
  upstream.misbehave = ({ path, headers }, response) => {
    if (path.startsWith("/token")) {
      assert.match(headers.authorization ?? "", /^Basic /);
      response.writeHead(200).end(JSON.stringify({ token: "abc" }));
    } else if (headers.authorization !== "Bearer abc") {
      const realm = `Bearer realm="${upstream.url}/token",service="x",scope="repository:${name}:pull"`;
      response.writeHead(401, { "WWW-Authenticate": realm }).end();
    } else response.writeHead(307, { Location: `${elsewhere.url}${path}` }).end();
    return true;
  };
  const path = `/v2/${name}/blobs/${blob.digest}`;
  const answer = await withLogin.client.get(path);
  upstream.misbehave = () => false;
  assert.equal(answer.status, 200);
  assert.deepEqual(
    elsewhere.requests.map(({ headers }) => headers.authorization),
    [undefined],
  );
});

/** Waits until the upstream is asked again after a failure. */
async function upstreamIsAsked(): Promise<void> {
  const name = newName("library/well");
  upstream.add(name, { ...image(), mediaType: types.manifest }, "1");
  for (let tries = 0; tries < 100; tries++) {
    if ((await client.get(`/v2/${name}/manifests/1`)).status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("the upstream is not asked again");
}
