/** Many small new images, pushed in docker's order of requests, also to a disk with slow syncs and to a bucket. */
import { strict as assert } from "node:assert";
import { Arena } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { verify } from "../driver/drain.js";
import { pullImage } from "../driver/image.js";
import { blobPath } from "../driver/registry.js";
import { findProgram } from "../processes.js";
import { progress } from "../progress.js";
import { type Aims, against, type Scenario } from "../scenario.js";
import { delayingProgram, SlowSyncs } from "../slow-syncs.js";
import { clients, makeImages, pushImages, warmUpPushes } from "../small-images.js";

const addedMilliseconds = 5;

/** Differences from the usual case: many clients of a Gantry with a directory on the machine's disk. */
interface Kind {
  readonly subject?: ContenderName;
  readonly clients?: number;
  /** Whether each sync takes 5 ms more. */
  readonly isSlow?: boolean;
}

const what =
  "images of a config and 3 new layers of 10 KB to 1 MB, 32 clients at once, 8 repositories, docker's requests";

export const pushSmallScenarios: readonly Scenario[] = [
  pushSmallScenario("push-small", what, {
    "push-limit": null,
    "docker-registry": 8,
    "distribution-3": 8,
    zot: null,
    angos: null,
  }),
  pushSmallScenario(
    "s3-push-small",
    `${what}, to an S3 server`,
    { "distribution-3-s3": 4 },
    { subject: "gantry-s3" },
  ),
  pushSmallScenario(
    "s3-far-push-small",
    `${what}, to an S3 server 20 ms away`,
    { "distribution-3-s3-far": 4 },
    { subject: "gantry-s3-far" },
  ),
  pushSmallScenario("durable-small", "the same, synced before each 201, beside not", {
    "gantry-relaxed": 0.9,
  }),
  pushSmallScenario(
    "slow-disk-small",
    `${what}; each sync takes ${addedMilliseconds} ms more`,
    { "distribution-3": 10 },
    { isSlow: true },
  ),
  pushSmallScenario(
    "slow-disk-one",
    `the same by one client; each sync takes ${addedMilliseconds} ms more`,
    { "distribution-3": 10 },
    { isSlow: true, clients: 1 },
  ),
];

function pushSmallScenario(name: string, what: string, aims: Aims, kind: Kind = {}): Scenario {
  const sides = against(aims);
  const { clients: atOnce = clients, isSlow = false } = kind;
  return {
    name,
    what,
    unit: "images/s",
    better: "more",
    ...sides,
    run: async (settings) => {
      if (isSlow && (await findProgram(delayingProgram)) === undefined) {
        progress(`${delayingProgram} is not installed: leaving ${name} out`);
        return [];
      }
      // About 650 KB per image: a round takes the slower contender a few seconds.
      const images = (settings.quick ? 192 : 384) / (atOnce === 1 ? 4 : 1);
      const own = { ...settings, subject: kind.subject ?? settings.subject };
      const wrapper = isSlow ? new SlowSyncs(addedMilliseconds) : undefined;
      await using arena = await Arena.open(own, sides.peers, { wrapper });
      return await arena.interleave(
        settings,
        async (contender) => {
          await warmUpPushes(contender, settings);
          await checkPush(contender);
        },
        (contender, round) => pushImages(contender, makeImages(images, `round-${round}`), atOnce),
      );
    },
  };
}

/** Checks that the measured push works: an image must be returned. */
async function checkPush(contender: Contender): Promise<void> {
  const images = makeImages(4 * clients, "check");
  await pushImages(contender, images);
  const [image] = images;
  const [layer] = image?.blobs ?? [];
  assert(image !== undefined && layer !== undefined);
  using connection = await Connection.open(contender);
  await pullImage(contender, connection, image);
  await verify(contender, blobPath(image.repository, layer.digest), layer.digest);
}
