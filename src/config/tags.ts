/** `tags`: what holds of tags. */
import { section } from "./section.js";
import { text } from "./values.js";

export const tags = section({
  policy: text
    .optional()
    .describe("A JSON file that says which tags are immutable and which are kept for how long."),
}).describe("What holds of tags.");
