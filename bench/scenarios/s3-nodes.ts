/**
 * What a second node costs: CPU time of all nodes for each push and pull, of two nodes with an engine beside one without, and
 * what they ask of the S3 server and of the engine. Each node has the load of the single one. A client stays with a node, or its
 * uploads change the node twice.
 */
import { strict as assert } from "node:assert";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { BehindCounts } from "../contenders/profile.js";
import type { Contender } from "../contenders.js";
import { workOff } from "../driver/clients.js";
import { Connection } from "../driver/connection.js";
import { drain } from "../driver/drain.js";
import { hotImage } from "../driver/hot-image.js";
import { storeImage } from "../driver/image.js";
import { type Nodes, type NodesClient, withClients } from "../driver/nodes-client.js";
import { Payload } from "../driver/payload.js";
import { blobPath, expectStatus, manifestMediaType, manifestPath, pushBlob } from "../driver/registry.js";
import { against, type Sample, type Scenario } from "../scenario.js";
import { makeImages, pushNew } from "../small-images.js";
import { gibibyte, mebibyte } from "../units.js";

const repository = "bench/nodes";

/** CPU time may grow by 15 %. */
const growthMax = 1.15;

const pulledBytes = 64 * mebibyte;

/** One kind of operation. */
interface Work {
  /** Brings what will be pulled. */
  readonly prepare?: (contender: Contender) => Promise<void>;
  /** Number of operations in a round, for each node. */
  readonly count: number;
  readonly countWhenQuick: number;
  /** For each node. */
  readonly clients: number;
  /** Performs all operations of a round. What it returns is timed. */
  readonly ready: (
    count: number,
    round: string,
  ) => (clients: readonly NodesClient[], nodes: Nodes) => Promise<unknown>;
}

const small = "push images of a config and 3 new layers of 10 KB to 1 MB, 32 clients for each node";
const large = "push a blob of 1 GiB: POST, chunked PATCH, PUT";
const hopping = { hops: true } as const;

export const s3NodesScenarios: readonly Scenario[] = [
  nodesScenario("s3-nodes-push-small", "image", small, pushImages),
  nodesScenario("s3-nodes-push-1g", "push", large, pushLarge),
  nodesScenario(
    "s3-nodes-get-manifest",
    "pull",
    "pull a manifest by tag that the nodes have in memory, 64 clients for each node",
    getManifest,
  ),
  nodesScenario(
    "s3-nodes-get-blob",
    "pull",
    "pull a blob of 64 MiB through the nodes, 4 clients for each",
    getBlob,
  ),
  nodesScenario("s3-hopping-push-small", "image", small, pushImages, hopping),
  nodesScenario("s3-hopping-push-1g", "push", large, pushLarge, hopping),
];

function pushImages(): Work {
  return {
    count: 256,
    countWhenQuick: 96,
    clients: 32,
    ready: (count, round) => {
      const images = makeImages(count, round);
      return (clients) => workOff(clients, images, pushNew);
    },
  };
}

function pushLarge(): Work {
  return {
    count: 1,
    countWhenQuick: 1,
    clients: 1,
    ready: (count) => {
      const blobs = Array.from({ length: count }, () => new Payload(gibibyte));
      return (clients) =>
        workOff(clients, blobs, (client, blob) => pushBlob(client, repository, blob, "patch"));
    },
  };
}

function getManifest(): Work {
  const { tag, manifest, ...image } = hotImage(repository);
  const path = manifestPath(repository, tag);
  const headers = { Accept: manifestMediaType };
  const get = async (client: NodesClient) => {
    const reply = expectStatus(await client.request("GET", path, { headers }), 200, "GET manifest");
    assert.equal(reply.body.length, manifest.bytes.length);
  };
  return {
    prepare: async (contender) => {
      using connection = await Connection.open(contender);
      await storeImage(connection, { tag, manifest, ...image });
    },
    count: 60_000,
    countWhenQuick: 30_000,
    clients: 64,
    ready: (count) => (clients) => workOff(clients, numbersTo(count), get),
  };
}

function getBlob(): Work {
  const blob = new Payload(pulledBytes);
  const path = blobPath(repository, blob.digest);
  return {
    prepare: async (contender) => {
      using connection = await Connection.open(contender);
      await pushBlob(connection, repository, blob, "put");
    },
    count: 32,
    countWhenQuick: 16,
    clients: 4,
    ready:
      (count) =>
      (clients, { nodes, ca }) =>
        workOff(clients, numbersTo(count), async (_, pull) => {
          const port = nodes[pull % nodes.length]?.port ?? Number.NaN;
          assert.equal(await drain({ port, ca }, path), pulledBytes);
        }),
  };
}

function numbersTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, number) => number);
}

function nodesScenario(
  name: string,
  operation: string,
  what: string,
  makeWork: () => Work,
  { hops }: { readonly hops: boolean } = { hops: false },
): Scenario {
  const way = hops ? ", each request to another node than the one before" : "; the nodes take turns";
  // What a change of nodes costs depends on the balancer, so it has no limit.
  const sides = against({ "gantry-s3-one-node": hops ? null : 1 / growthMax });
  return {
    name,
    what: `CPU time of all nodes: ${what}; two nodes and an engine beside one node${way}`,
    unit: `CPU ms/${operation}`,
    better: "less",
    ...sides,
    run: async (settings) => {
      const work = makeWork();
      const count = settings.quick ? work.countWhenQuick : work.count;
      await using arena = await Arena.open({ ...settings, subject: "gantry-s3-two-nodes" }, sides.peers);
      const run = async (contender: Contender, round: string) => {
        const sample = await perform(contender, { operation, hops, count, round }, work);
        // What is pulled must stay.
        if (work.prepare === undefined) await discardLargeFiles(contender.dataFolder);
        return sample;
      };
      return await arena.interleave(
        settings,
        async (contender) => {
          await work.prepare?.(contender);
          for (const part of [1, 2]) await run(contender, `warm-up-${part}`);
        },
        (contender, round) => run(contender, `round-${round}`),
      );
    },
  };
}

interface Run {
  readonly operation: string;
  readonly hops: boolean;
  readonly count: number;
  readonly round: string;
}

async function perform(
  contender: Contender,
  { operation, hops, count, round }: Run,
  { clients, ready }: Work,
): Promise<Sample> {
  // The nodes take turns: at once, they would share the cores with each other, the driver and the store, and two registries that
  // know nothing of each other then take 7 to 19 % more for a pull than one alone.
  const { nodes, ca } = contender;
  const turns: readonly Nodes[] = hops ? [contender] : nodes.map((node) => ({ nodes: [node], ca }));
  const all = count * nodes.length;
  const starts = turns.map((turn, number) => ready(count * turn.nodes.length, `${round}-${number}`));
  const before = await countsOf(contender);
  const timing = await timed(contender, async () => {
    for (const [number, turn] of turns.entries())
      await withClients(turn, { count: clients * turn.nodes.length, hops }, async (opened) =>
        starts[number]?.(opened, turn),
      );
  });
  const after = await countsOf(contender);
  const each = (what: keyof BehindCounts) => (after[what] - before[what]) / all;
  return {
    value: (timing.cpuSeconds * 1000) / all,
    ...timing,
    requests: all,
    details: {
      [`storeRequestsPer${capital(operation)}`]: each("storeRequests"),
      [`engineMessagesPer${capital(operation)}`]: each("engineMessages"),
      [`engineCpuMillisecondsPer${capital(operation)}`]: each("engineCpuSeconds") * 1000,
    },
  };
}

async function countsOf(contender: Contender): Promise<BehindCounts> {
  const counts = await contender.counts();
  assert(counts !== undefined, "the servers behind these contenders count");
  return counts;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
