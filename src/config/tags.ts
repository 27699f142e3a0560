/** `tags`: immutable tags, retention and history. */
import { section } from "./section.js";
import { duration, integer, text } from "./values.js";

/** Entries in the history of a tag. */
export const entriesMax = 1000;

export const tags = section({
  policy: text
    .optional()
    .describe(
      "A JSON file that defines which tags are immutable and how long tags are kept. Gantry reloads it when it changes.",
    ),
  history: section({
    entries: integer({ min: 0, max: entriesMax })
      .prefault("50")
      .describe(
        "Number of entries in the history of a tag: what it pointed to, since when, and who pushed it. `0` keeps no history.",
      ),
    age: duration
      .prefault("90d")
      .describe(
        "Time for which the history keeps a target that the tag no longer has, and the history of a removed tag. It does not keep the manifest: a rule of `tags.policy` does.",
      ),
  }).describe("What tags pointed to before."),
}).describe("Immutable tags, retention and the history of tags.");
