/** `tags`: immutable tags and retention. */
import { section } from "./section.js";
import { text } from "./values.js";

export const tags = section({
  policy: text
    .optional()
    .describe("A JSON file that defines which tags are immutable and how long tags are kept."),
}).describe("Immutable tags and retention.");
