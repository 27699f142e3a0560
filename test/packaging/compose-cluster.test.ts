/** The compose file of a cluster: its settings and HAProxy's configuration make one registry of two nodes. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { needs, run, startDaemon } from "../clients/support.js";
import { Remote } from "../clients/verify.js";
import { Client } from "../support/client.js";
import { image } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startRedisServer } from "../support/redis-server.js";
import { type S3Node, startS3Node } from "../support/s3-node.js";
import { startS3Server } from "../support/s3-server.js";
import { until } from "../support/valkey-nodes.js";
import { checkout } from "./pack.js";

const skip = needs("docker-compose");
const deploy = join(checkout, "deploy");
const nodeNames = ["gantry-1", "gantry-2"] as const;

async function compose(env: Readonly<Record<string, string>>) {
  const file = join(deploy, "compose.cluster.yaml");
  return parse(await run("docker-compose", ["--file", file, "config"], { env })).services;
}

const keys = { S3_ACCESS_KEY: "access", S3_SECRET_KEY: "secret" };

test("the compose file of a cluster gives its nodes one store and one engine, and no more than they need", {
  skip,
}, async () => {
  const { haproxy, valkey, s3, ...others } = await compose(keys);
  assert.deepEqual(haproxy.ports, ["127.0.0.1:5000:5000/tcp"], "on this machine only");
  assert.deepEqual(others[nodeNames[0]].environment, others[nodeNames[1]].environment);
  for (const name of nodeNames) {
    const { read_only, cap_drop, ports } = others[name];
    assert.deepEqual([read_only, cap_drop, ports], [true, ["ALL"], undefined]);
  }
  assert.equal(s3.ports ?? valkey.ports, undefined, "the store and the engine are for the nodes");
  // An engine that evicts keys is refused.
  const { command } = valkey;
  assert.equal(command[command.indexOf("--maxmemory-policy") + 1], "noeviction");
});

test("the compose file of a cluster asks for the keys of the store", { skip }, async () => {
  await assert.rejects(compose({ S3_ACCESS_KEY: "", S3_SECRET_KEY: "" }), /S3_(?:ACCESS|SECRET)_KEY/);
});

test("an image pushed through HAProxy of the compose file is at both nodes, also after one was stopped", {
  skip: skip || needs("versitygw", "redis-server", "haproxy"),
}, async () => {
  await using stack = closeInOrder();
  const server = stack.add(await startS3Server());
  const engine = await startRedisServer();
  stack.onClose(() => engine.stop());
  const services = await compose({ S3_ACCESS_KEY: server.accessKey, S3_SECRET_KEY: server.secretKey });
  const nodes = [];
  for (const name of nodeNames) {
    const { environment } = services[name];
    assert.equal(environment.REGISTRY_STORAGE_S3_BUCKET, server.bucket);
    assert.deepEqual(JSON.parse(environment.REGISTRY_REDIS_ADDRS), ["valkey:6379"]);
    const {
      REGISTRY_STORAGE_S3_SCRATCHDIRECTORY: _,
      REGISTRY_STORAGE_S3_REGIONENDPOINT: __,
      ...rest
    } = environment;
    const settings = { ...rest, REGISTRY_REDIS_ADDRS: JSON.stringify([engine.address]) };
    nodes.push(stack.add(await startS3Node(server, { settings })));
  }
  const url = await startProxy(
    nodes.map(({ port }) => port),
    stack,
  );
  const pushed = image();
  await new Client(url).pushImage("app", pushed, "v1");
  for (const { url: at } of nodes)
    assert.equal((await new Remote(at, "app").verify("v1")).digest, pushed.digest);
  await requestsOfAnUpload(url, nodes);
  await nodes[0]?.end();
  assert.equal((await new Remote(url, "app").verify("v1")).digest, pushed.digest);
  await new Client(url).pushImage("app", image(), "v2");
});

/** Asserts that one node handles all requests of an upload after the first, and that uploads are divided among the nodes. */
async function requestsOfAnUpload(url: string, nodes: readonly S3Node[]): Promise<void> {
  const client = new Client(url);
  const used = new Set<number>();
  for (let begun = 0; begun < 16; begun++) {
    const { headers } = await client.request("POST", "/v2/app/blobs/uploads/");
    const { pathname } = new URL(String(headers.location), url);
    for (let sent = 0; sent < 4; sent++)
      assert.equal((await client.request("GET", pathname)).status, 204, "the session is known");
    const isOfUpload = (line: string) => line.includes("GET") && line.includes(pathname);
    const handled = () => nodes.map(({ log }) => log().split("\n").filter(isOfUpload).length);
    await until(
      "the access logs have the requests",
      () => handled().reduce((sum, count) => sum + count) === 4,
    );
    assert.deepEqual(handled().toSorted(), [0, 4], "one node handles the requests of an upload");
    used.add(handled().indexOf(4));
  }
  assert.equal(used.size, nodes.length, "uploads are divided among the nodes");
}

interface Closing extends AsyncDisposable {
  add<T extends AsyncDisposable>(part: T): T;
  onClose(close: () => Promise<unknown>): void;
}

/** Closes the parts in the reverse order of their start. */
function closeInOrder(): Closing {
  const closers: (() => PromiseLike<unknown>)[] = [];
  return {
    add(part) {
      closers.push(() => part[Symbol.asyncDispose]());
      return part;
    },
    onClose: (close) => void closers.push(close),
    async [Symbol.asyncDispose]() {
      for (const close of closers.reverse()) await close();
    },
  };
}

/** Starts HAProxy with the file that the compose file mounts, and the ports of these nodes. */
async function startProxy(nodes: readonly number[], stack: Closing): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "gantry-proxy-"));
  stack.onClose(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  let config = await readFile(join(deploy, "haproxy", "haproxy.cfg"), "utf8");
  for (const [from, to] of [
    ["bind :5000", `bind 127.0.0.1:${port}`],
    ...nodeNames.map((name, index) => [`${name}:5000`, `127.0.0.1:${nodes[index]}`] as const),
  ] as const) {
    assert.ok(config.includes(from), from);
    config = config.replaceAll(from, to);
  }
  const file = join(folder, "haproxy.cfg");
  await writeFile(file, config);
  const url = `http://127.0.0.1:${port}`;
  stack.add(
    await startDaemon("haproxy", ["-db", "-q", "-f", file], async () => {
      const { status } = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1_000) });
      assert.equal(status, 200);
    }),
  );
  return url;
}
