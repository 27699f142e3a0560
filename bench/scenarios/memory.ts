/** Peak memory under loads that overwhelm a buffering server: 200 concurrent uploads, 200 slow readers. */
import { strict as assert } from "node:assert";
import { Arena, discardLargeFiles, timed } from "../arena.js";
import type { Contender, ContenderName } from "../contenders.js";
import { Connection } from "../driver/connection.js";
import { Payload } from "../driver/payload.js";
import { blobPath, openUpload, pushBlob, sendBlob } from "../driver/registry.js";
import { readSlowly } from "../driver/slow-readers.js";
import { peakResidentBytes } from "../processes.js";
import { progress } from "../progress.js";
import type { Sample, Scenario, Settings } from "../scenario.js";
import { gibibyte, mebibyte, megabyte } from "../units.js";

const repository = "bench/memory";
const clients = 200;

/** Each upload is larger than a part, so that parts wait in memory or in scratch files. */
const onS3 = { mebibytes: 32, mebibytesWhenQuick: 16, megabytesMax: 400 } as const;

export const memoryScenarios: readonly Scenario[] = [
  memoryScenario(
    "rss-uploads",
    "200 uploads of 64 MiB at once (16 MiB when quick): POST, chunked PATCH, PUT",
    uploadAll,
  ),
  memoryScenario("rss-slow-readers", "200 readers of one 1 GiB blob, each at most 640 KB/s", dawdle),
  memoryScenario("tls-rss-uploads", "200 uploads at once as in rss-uploads, by HTTPS", uploadAll, {
    secure: true,
    // OpenSSL's plain bytes are garbage of a second heap, and its buffers fragment that thread's memory.
    megabytesMax: 500,
  }),
  memoryScenario("tls-rss-slow-readers", "200 slow readers by HTTPS", dawdle, { secure: true }),
  memoryScenario(
    "s3-rss-uploads",
    "200 uploads of 32 MiB at once (16 MiB when quick) to an S3 server: POST, chunked PATCH, PUT",
    (contender, settings) => uploadAll(contender, settings, onS3),
    { ...onS3, subject: "gantry-s3", peers: ["distribution-3-s3"] },
  ),
  memoryScenario(
    "s3-far-rss-uploads",
    "the same to an S3 server 20 ms away",
    (contender, settings) => uploadAll(contender, settings, onS3),
    { ...onS3, subject: "gantry-s3-far", peers: ["distribution-3-s3-far"] },
  ),
];

interface MemoryOptions {
  readonly secure?: boolean;
  readonly megabytesMax?: number;
  /** If it differs from the bench's subject. */
  readonly subject?: ContenderName;
  readonly peers?: readonly ContenderName[];
}

/** One run for each contender, one after the other, because a peak covers the whole life of a process. */
function memoryScenario(
  name: string,
  what: string,
  strain: (contender: Contender, settings: Settings) => Promise<Sample>,
  {
    secure = false,
    megabytesMax = 300,
    subject,
    peers = ["docker-registry", "distribution-3", "zot"],
  }: MemoryOptions = {},
): Scenario {
  return {
    name,
    what,
    unit: "MB peak RSS",
    better: "less",
    targets: [{ kind: "ceiling", atMost: megabytesMax }],
    peers,
    run: async (settings) => {
      const own = { ...settings, subject: subject ?? settings.subject };
      await using arena = await Arena.open(own, peers, { secure });
      return await arena.interleave(
        { ...settings, rounds: 1 },
        async (contender) => progress(`  ${contender.name} at rest: ${peakMegabytes(contender)} MB`),
        async (contender) => {
          const sample = await strain(contender, settings);
          await discardLargeFiles(contender.dataFolder);
          return sample;
        },
      );
    },
  };
}

async function uploadAll(
  contender: Contender,
  { quick }: Settings,
  { mebibytes, mebibytesWhenQuick } = { mebibytes: 64, mebibytesWhenQuick: 16 },
): Promise<Sample> {
  const blobBytes = (quick ? mebibytesWhenQuick : mebibytes) * mebibyte;
  // Generated before any connection is open: it takes long, and a silent connection is closed.
  const payloads = Array.from({ length: clients }, () => new Payload(blobBytes));
  const uploads = await Promise.all(
    payloads.map(async (payload) => {
      const connection = await Connection.open(contender);
      return { connection, payload, session: await openUpload(connection, repository) };
    }),
  );
  const timing = await timed(contender, () =>
    Promise.all(
      uploads.map(({ connection, session, payload }) => sendBlob(connection, session, payload, "patch")),
    ),
  );
  for (const { connection } of uploads) {
    connection[Symbol.dispose]();
  }
  const details = { megabytesPerSecond: Math.round((clients * blobBytes) / megabyte / timing.seconds) };
  return { value: peakMegabytes(contender), ...timing, bytes: clients * blobBytes, details };
}

async function dawdle(contender: Contender, settings: Settings): Promise<Sample> {
  const payload = new Payload(gibibyte);
  {
    using connection = await Connection.open(contender);
    await pushBlob(connection, repository, payload, "put");
  }
  const afterPush = peakMegabytes(contender);
  let received: readonly number[] = [];
  const timing = await timed(contender, async () => {
    const seconds = settings.quick ? 8 : 20;
    const path = blobPath(repository, payload.digest);
    received = await readSlowly({ endpoint: contender, path, readers: clients }, seconds);
  });
  const fewest = Math.min(...received);
  assert(fewest > 0, "every reader was served");
  const details = { megabytesAfterPush: afterPush, slowestReaderMegabytes: fewest / megabyte };
  const bytes = received.reduce((sum, length) => sum + length, 0);
  return { value: peakMegabytes(contender), ...timing, bytes, details };
}

function peakMegabytes(contender: Contender): number {
  return Math.round(peakResidentBytes(contender.pid) / megabyte);
}
