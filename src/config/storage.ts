/** `storage`: data directory or bucket, durability, deletion and mounts. */
import { section } from "./section.js";
import { s3 } from "./storage-s3.js";
import { addressRange, choice, duration, flag, list, text } from "./values.js";

/** The journal looks once a second whether a checkpoint is due. */
const checkpointSecondsMin = 1;

export const storage = section({
  filesystem: section({
    rootdirectory: text
      .prefault(".gantry")
      .describe(
        "Data directory. On a file system with hard links (nearly every Linux file system), Gantry stores each content once for all repositories that have it.",
      ),
    durability: choice(["full", "relaxed"])
      .prefault("full")
      .describe(
        "`full`: an acknowledged push survives a power cut. `relaxed`: it survives a crash of the process, but not a power cut, because nothing is synced.",
      ),
    journal: flag
      .prefault("true")
      .describe(
        "Makes small blobs, manifests and tags durable by records in a journal, which one sync writes for many pushes, and their files at a checkpoint every 30 seconds. `false` syncs each file and folder before the response. Not used with relaxed durability, nor on a file system without hard links.",
      ),
    checkpoint: duration
      .refine((seconds) => seconds >= checkpointSecondsMin, "expected a time of at least 1s")
      .prefault("30s")
      .describe(
        "Time between two checkpoints, at which all files in the journal are synced, at least `1s`. After a crash, the next start repeats the changes since the last one.",
      ),
  }),
  s3: s3.optional(),
  redirect: section({
    disable: flag
      .prefault("false")
      .describe(
        "With `storage.s3`, clients get blobs from the store itself, by an address that is valid for some minutes. `true` sends all bytes through Gantry, for clients that cannot reach the store.",
      ),
    networks: list(addressRange)
      .prefault([])
      .describe(
        "Addresses and ranges of the clients that are redirected to the store; others get the bytes from Gantry. Without any, all clients are redirected. The address of a client behind a proxy is known through `http.trustedproxies`.",
      ),
    exceptnetworks: list(addressRange)
      .prefault([])
      .describe(
        "Addresses and ranges of clients that are not redirected, also if `storage.redirect.networks` has them.",
      ),
  }),
  delete: section({
    enabled: flag
      .prefault("true")
      .describe("Allows clients to delete tags, manifests and blobs. `false` answers 405."),
  }),
  mount: section({
    anonymous: flag
      .prefault("true")
      .describe("Allows a mount without a source repository to use a blob of any repository."),
  }),
  maintenance: section({
    uploadpurging: section({
      enabled: flag.prefault("true").describe("Removes abandoned uploads."),
      age: duration
        .prefault("168h")
        .describe("Time without activity after which an upload counts as abandoned."),
      interval: duration.prefault("24h").describe("Time between two searches for abandoned uploads."),
    }),
  }),
}).describe(
  "Data directory or bucket, durability, deletion and mounts. Set either `storage.filesystem` or `storage.s3`.",
);
