/** `storage`: where the data is, how durable it is, and what may be done to it. */
import { section } from "./section.js";
import { choice, duration, flag, text } from "./values.js";

export const storage = section({
  filesystem: section({
    rootdirectory: text
      .prefault(".gantry")
      .describe(
        "Folder for the data. One that has hard links (nearly every Linux file system) keeps each content once, however many repositories have it.",
      ),
    durability: choice(["full", "relaxed"])
      .prefault("full")
      .describe(
        "`full`: an answered push survives a power cut. `relaxed`: it survives the end of the process; nothing is synced.",
      ),
  }),
  delete: section({
    enabled: flag
      .prefault("true")
      .describe("Whether tags, manifests and blobs may be deleted. `false` answers 405 to each."),
  }),
  mount: section({
    anonymous: flag
      .prefault("true")
      .describe("Whether a mount that names no source finds the blob in any repository."),
  }),
  maintenance: section({
    uploadpurging: section({
      enabled: flag.prefault("true").describe("Whether uploads that nobody goes on with are dropped."),
      age: duration
        .prefault("168h")
        .describe("An upload that nobody has gone on with for so long is dropped."),
      interval: duration.prefault("24h").describe("Time between two looks for such uploads."),
    }),
  }),
}).describe("Where the data is, how durable it is, and what may be done to it.");
