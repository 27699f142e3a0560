// Traces of real requests, as an OTLP collector receives them: their content, and what none of them does.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client, serveProcess } from "../support/client.js";
import { type CollectedSpan, startCollector } from "../support/collector.js";
import { type Blob, blobOf, describe, image, newName } from "../support/content.js";
import { type Gantry, type GantrySettings, startGantry } from "../support/gantry.js";
import { eventually } from "../support/store.js";

const collector = await startCollector();
after(() => collector[Symbol.asyncDispose]());

/** With OpenTelemetry's own variables, the most common way. */
const traced: GantrySettings = {
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
};
const { gantry, client } = await serveProcess({
  ...traced,
  OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
});

const clientTrace = "0af7651916cd43dd8448eb211c80319c";
const clientSpan = "b7ad6b7169203331";

/** Returns the span of the request with this ID, and its descendants. */
async function traceOf(requestId: string): Promise<{ root: CollectedSpan; below: CollectedSpan[] }> {
  const root = await eventually(`the trace of ${requestId}`, () =>
    collector.spans.find(({ attributes }) => attributes.get("gantry.request.id") === requestId),
  );
  const below = [root];
  // Spans found meanwhile are examined, too.
  for (const { id } of below) below.push(...collector.spans.filter(({ parent }) => parent === id));
  return { root, below: below.slice(1) };
}

/** Returns the tree as names, in order of their start: `a(b c) d`. */
function shapeOf(spans: readonly CollectedSpan[], parent: string): string {
  return spans
    .filter((span) => span.parent === parent)
    .sort((a, b) => Number(a.from - b.from))
    .map(({ id, name }) => {
      const within = shapeOf(spans, id);
      return within === "" ? name : `${name}(${within})`;
    })
    .join(" ");
}

function names(spans: readonly CollectedSpan[]): string[] {
  return spans.map(({ name }) => name).sort();
}

/** A small blob whose content is in the same folder. */
function besideIn({ digest }: Blob): Blob {
  for (let number = 0; ; number++) {
    const beside = blobOf(`beside ${number}`);
    if (beside.digest.slice(0, 9) === digest.slice(0, 9)) return beside;
  }
}

test("the push of a blob is a span with one for each stage, from the socket to the sync", async () => {
  const name = newName();
  const blob = blobOf(5_000_000);
  // The first push to each folder has an additional stage that creates or checks it.
  await client.pushBlobs(name, besideIn(blob));
  const path = `/v2/${name}/blobs/uploads/`;
  const id = newName("request");
  const headers = { "X-Request-ID": id, "User-Agent": "a client/1" };
  await client.request("POST", `${path}?digest=${blob.digest}`, { headers, body: blob.bytes });
  const { root, below } = await traceOf(id);
  assert.equal(root.name, "POST /v2/<name>/blobs/uploads/");
  assert.equal(root.kind, 2);
  assert.equal(root.parent, "");
  assert.deepEqual(Object.fromEntries(root.attributes), {
    "http.request.method": "POST",
    "http.route": "/v2/<name>/blobs/uploads/",
    "url.path": path,
    "url.scheme": "http",
    "server.address": "127.0.0.1",
    "client.address": "127.0.0.1",
    "user_agent.original": "a client/1",
    "http.response.status_code": 201,
    "http.request.body.size": blob.bytes.length,
    "http.response.body.size": 0,
    "gantry.request.id": id,
    "gantry.repository": name,
  });
  assert.equal(root.resource.get("service.name"), "gantry");
  assert.equal(root.resource.get("deployment.environment.name"), "test");
  assert.deepEqual(names(below), [
    "commit",
    "hash",
    "link",
    "open",
    "queue",
    "receive",
    "sync",
    "sync",
    "write",
  ]);
  assert.match(shapeOf([root, ...below], root.id), /^receive queue .*sync link commit\(sync\)$/);
  for (const span of below) {
    assert.equal(span.trace, root.trace);
    assert.ok(span.from >= root.from && span.to <= root.to && span.to >= span.from, span.name);
  }
  for (const stage of ["hash", "write"]) {
    const span = below.find((one) => one.name === stage);
    const tasks = Number(span?.attributes.get("gantry.tasks"));
    assert.ok(tasks >= 5, `${stage}: ${tasks} tasks of at most 1 MiB`);
    const busy = Number(span?.attributes.get("gantry.busy_ms"));
    assert.ok(busy > 0 && busy * 1e6 <= Number(root.to - root.from) * 1.01, `${stage}: ${busy} ms`);
  }
});

test("the push of a manifest has spans for its stages, and one of them has child spans", async () => {
  const name = newName();
  const subject = image();
  const referrer = image({ subject: describe(subject) });
  await client.pushImage(name, subject);
  await client.pushBlobs(name, ...referrer.blobs);
  const id = newName("request");
  await client.request("PUT", `/v2/${name}/manifests/one`, {
    headers: { "X-Request-ID": id, "Content-Type": referrer.mediaType },
    body: referrer.bytes,
  });
  const { root, below } = await traceOf(id);
  assert.equal(shapeOf([root, ...below], root.id), "receive parse check store(write)");
});

test("a pull has spans for its reads from the storage; one from memory has none", async () => {
  const name = newName();
  const blob = blobOf(3_000_000);
  await client.pushBlobs(name, blob);
  const picture = image();
  await client.pushImage(name, picture, "latest");
  const ids = [newName("request"), newName("request")] as const;
  await client.get(`/v2/${name}/blobs/${blob.digest}`, { "X-Request-ID": ids[0] });
  await client.get(`/v2/${name}/manifests/latest`, { "X-Request-ID": ids[1] });
  const [large, small] = await Promise.all(ids.map(traceOf));
  assert.deepEqual(names(large?.below ?? []), ["open", "send"]);
  assert.equal(large?.root.attributes.get("http.response.body.size"), blob.bytes.length);
  assert.deepEqual(small?.below, []);
});

test("a failed request is marked as failed, and texts invented by a client do not become names", async () => {
  const ids = [newName("request"), newName("request")] as const;
  await client.get("/v2/none/manifests/none", { "X-Request-ID": ids[0] });
  await client.request("BREW", "/pot", { headers: { "X-Request-ID": ids[1] } });
  const [missing, made] = await Promise.all(ids.map(traceOf));
  assert.equal(missing?.root.attributes.get("http.response.status_code"), 404);
  assert.equal(missing?.root.failed, false, "a client's error is not the server's");
  assert.equal(made?.root.name, "HTTP");
  assert.equal(made?.root.attributes.get("http.request.method"), "_OTHER");
});

test("a trace begun by the client is continued, and logged", async () => {
  const id = newName("request");
  const traceparent = `00-${clientTrace}-${clientSpan}-01`;
  await client.get("/v2/", { "X-Request-ID": id, traceparent });
  const { root } = await traceOf(id);
  assert.deepEqual([root.trace, root.parent], [clientTrace, clientSpan]);
  await eventually(
    "the line",
    () =>
      gantry
        .log()
        .split("\n")
        .some((line) => line.includes(id) && line.includes(`"trace_id":"${clientTrace}"`)) || undefined,
  );
});

test("an invalid traceparent starts a new trace", async () => {
  const wrong = ["x", `00-${"0".repeat(32)}-${clientSpan}-01`, `ff-${clientTrace}-${clientSpan}-01`];
  const requests = wrong.map(async (traceparent) => {
    const id = newName("request");
    await client.get("/v2/", { "X-Request-ID": id, traceparent });
    const { root } = await traceOf(id);
    assert.equal(root.parent, "", traceparent);
    assert.notEqual(root.trace, clientTrace);
  });
  await Promise.all(requests);
});

test("a client that does not sample gets no trace, but its ID is in the log", async () => {
  const ids = [newName("request"), newName("request")] as const;
  const trace = "1af7651916cd43dd8448eb211c80319c";
  await client.get("/v2/", { "X-Request-ID": ids[0], traceparent: `00-${trace}-${clientSpan}-00` });
  await client.get("/v2/", { "X-Request-ID": ids[1] });
  await traceOf(ids[1]);
  assert.ok(!collector.spans.some((span) => span.trace === trace));
  assert.match(gantry.log(), new RegExp(`"id":"${ids[0]}".*"trace_id":"${trace}"`));
});

test("health checks have no trace, and no secret gets into one", async () => {
  const headers = { Authorization: `Basic ${Buffer.from("alice:hunter2-basic").toString("base64")}` };
  await client.get("/livez");
  await client.get("/v2/?password=hunter2-query", headers);
  const id = newName("request");
  await client.get("/v2/", { "X-Request-ID": id });
  await traceOf(id);
  const sent = Buffer.concat(collector.requests.map(({ body }) => body)).toString();
  assert.doesNotMatch(sent, /livez|hunter2|Basic /);
});

/** Starts a server for one test, which stops it. */
async function withServer(
  settings: GantrySettings,
  use: (client: Client, gantry: Gantry) => Promise<void>,
): Promise<void> {
  await using server = await startGantry(settings);
  await use(new Client(server.url), server);
}

test("the sampler decides if the client does not, and Gantry's variable overrides OpenTelemetry's", async () => {
  await using none = await startCollector();
  const settings = { ...traced, OTEL_EXPORTER_OTLP_ENDPOINT: none.url };
  const parented = { traceparent: `00-${clientTrace}-${clientSpan}-01` };
  await withServer({ ...settings, OTEL_TRACES_SAMPLER_ARG: "0" }, async (some) => {
    await some.get("/v2/never");
    await some.get("/v2/parented", parented);
  });
  assert.deepEqual(
    none.spans.map((span) => span.attributes.get("url.path")),
    ["/v2/parented"],
  );
  await withServer({ ...settings, OTEL_TRACES_SAMPLER: "always_off" }, async (some) => {
    await some.get("/v2/never", parented);
  });
  await withServer({ ...settings, REGISTRY_TRACING_EXPORTER: "none" }, async (some) => {
    await some.get("/v2/never", parented);
  });
  assert.equal(none.spans.length, 1);
});

test("traces go to the configured URL unchanged, as protobuf unless JSON is configured", async () => {
  await using other = await startCollector();
  const endpoint = `${other.url}/some/where`;
  const settings = { REGISTRY_TRACING_EXPORTER: "otlp", REGISTRY_TRACING_ENDPOINT: endpoint };
  await withServer(settings, async (some) => void (await some.get("/v2/binary")));
  const [request] = other.requests;
  assert.deepEqual([request?.path, request?.type], ["/some/where", "application/x-protobuf"]);
  assert.ok(request?.body.includes("/v2/binary"));
});

test("without traces, nothing of OpenTelemetry is loaded, and no host is called", async () => {
  await using idle = await startCollector();
  const folder = await mkdtemp(join(tmpdir(), "gantry-probe-"));
  const probe = join(folder, "probe.cjs");
  // The package with the interfaces is also a dependency of prom-client.
  await writeFile(
    probe,
    `process.on("exit", () => require("node:worker_threads").isMainThread && process.stderr.write(
      "loaded " + Object.keys(require.cache).filter((path) => /@opentelemetry.(?!api)/.test(path)).length + " of it\\n"));`,
  );
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: idle.url, NODE_OPTIONS: `--require ${probe}` };
  const loaded = async (more: GantrySettings) => {
    const server = await startGantry({ ...settings, ...more });
    await new Client(server.url).get("/v2/", { traceparent: `00-${clientTrace}-${clientSpan}-01` });
    await server.stop();
    return Number(/loaded (\d+) of it/.exec(server.log())?.[1]);
  };
  try {
    assert.equal(await loaded({}), 0);
    assert.equal(idle.requests.length, 0);
    assert.ok((await loaded({ OTEL_TRACES_EXPORTER: "otlp" })) > 10, "the probe finds loaded modules");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a failing collector only loses spans, and is reported once until it works again", async () => {
  await using failing = await startCollector();
  failing.manner = "refuses";
  await withServer({ ...traced, OTEL_EXPORTER_OTLP_ENDPOINT: failing.url }, async (some, server) => {
    const name = newName();
    for (let batch = 1; batch <= 3; batch++) {
      await some.pushImage(name, image(), "latest");
      await eventually("a batch", () => failing.requests.length >= batch || undefined);
    }
    failing.manner = "takes";
    await some.get("/v2/");
    await eventually(
      "it is told",
      () => /the trace collector can be reached again/.test(server.log()) || undefined,
    );
    assert.equal(server.log().match(/the trace collector cannot be reached/g)?.length, 1);
  });
});

test("a hanging or missing collector delays neither pushes nor the shutdown", async () => {
  await using hanging = await startCollector();
  hanging.manner = "hangs";
  const nobody = "http://127.0.0.1:9";
  const pushes = [hanging.url, nobody].map(async (endpoint) => {
    const server = await startGantry({ ...traced, OTEL_EXPORTER_OTLP_ENDPOINT: endpoint });
    const some = new Client(server.url);
    const name = newName();
    // More spans than the queue for the collector can hold.
    for (let count = 0; count < 300; count++) await some.pushBlobs(name, blobOf(10));
    await some.pushImage(name, image(), "latest");
    assert.equal((await some.get(`/v2/${name}/manifests/latest`)).status, 200);
    const stoppingAt = performance.now();
    await server.stop();
    assert.ok(performance.now() - stoppingAt < 8_000, endpoint);
  });
  await Promise.all(pushes);
  assert.ok(hanging.requests.length > 0);
});
