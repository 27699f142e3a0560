/** Large new layers: one of 1 GiB, and eight of 128 MiB at once. */
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { withConnections, workOff } from "../driver/clients.js";
import { Payload } from "../driver/payload.js";
import { type PushShape, pushBlob } from "../driver/registry.js";
import { type Aims, against, type Sample, type Scenario } from "../scenario.js";
import { gibibyte, mebibyte, megabyte } from "../units.js";
import { warmUpPush } from "../warm-up.js";

const repository = "bench/push";

export interface Push {
  readonly blobs: number;
  readonly blobBytes: number;
  readonly shape: PushShape;
  readonly secure?: boolean;
  /** If it differs from the bench's subject. */
  readonly subject?: ContenderName;
}

const oneLarge = { blobs: 1, blobBytes: gibibyte };
const eightAtOnce = { blobs: 8, blobBytes: 128 * mebibyte };

export const pushLargeScenarios: readonly Scenario[] = [
  pushScenario("push-1g", { ...oneLarge, shape: "put" }, "one 1 GiB blob: POST, PUT (containerd's shape)"),
  pushScenario(
    "push-1g-patch",
    { ...oneLarge, shape: "patch" },
    "one 1 GiB blob: POST, chunked PATCH, PUT (docker's shape)",
  ),
  pushScenario("push-8x128m", { ...eightAtOnce, shape: "put" }, "8 blobs of 128 MiB at once: POST, PUT"),
  pushScenario(
    "durable-1g",
    { ...oneLarge, shape: "put" },
    "one 1 GiB blob, synced before the 201, beside one that is not",
    { "gantry-relaxed": 0.9 },
  ),
  pushScenario(
    "tls-push-1g",
    { ...oneLarge, shape: "put", secure: true },
    "one 1 GiB blob by HTTPS: POST, PUT",
    { "docker-registry": 1.3, "distribution-3": 1.3, zot: null, angos: null },
  ),
  pushScenario(
    "s3-push-1g",
    { ...oneLarge, shape: "patch", subject: "gantry-s3" },
    "one 1 GiB blob to an S3 server: POST, chunked PATCH, PUT",
    { "distribution-3-s3": 2 },
  ),
  pushScenario(
    "s3-far-push-1g",
    { ...oneLarge, shape: "patch", subject: "gantry-s3-far" },
    "one 1 GiB blob to an S3 server 20 ms away: POST, chunked PATCH, PUT",
    { "distribution-3-s3-far": 2 },
  ),
];

function pushScenario(
  name: string,
  push: Push,
  what: string,
  aims: Aims = { "push-limit": 0.8, "docker-registry": 4, "distribution-3": 4, zot: null, angos: null },
): Scenario {
  const sides = against(aims);
  return {
    name,
    what,
    unit: "MB/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      const { subject = settings.subject } = push;
      await using arena = await Arena.open({ ...settings, subject }, sides.peers, push);
      return await arena.interleave(
        settings,
        (contender) => warmUpPush(contender, repository, push.shape),
        async (contender) => {
          const sample = await pushAtOnce(contender, push);
          await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    },
  };
}

/** From the first POST to the last 201. */
export async function pushAtOnce(contender: Contender, { blobs, blobBytes, shape }: Push): Promise<Sample> {
  const payloads = Array.from({ length: blobs }, () => new Payload(blobBytes));
  const timing = await withConnections(contender, blobs, (connections) =>
    timed(contender, () =>
      workOff(connections, payloads, (connection, payload) =>
        pushBlob(connection, repository, payload, shape),
      ),
    ),
  );
  const bytes = blobs * blobBytes;
  return { value: bytes / megabyte / timing.seconds, ...timing, bytes };
}
