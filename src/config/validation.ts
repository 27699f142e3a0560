/** `validation`: what a push must satisfy. */
import { z } from "zod";
import { section } from "./section.js";
import { flag } from "./values.js";

export const validation = section({
  manifests: section({
    sparse: flag
      .prefault("false")
      .describe("Whether a manifest may name blobs and manifests that its repository lacks."),
    sizes: z
      .enum(["strict", "lenient"], 'expected "strict" or "lenient"')
      .prefault("strict")
      .describe(
        "What happens to a manifest with a descriptor whose size or embedded data is not its content's. `strict` refuses it. `lenient` stores it, as CNCF distribution does; clients that check sizes cannot pull it. Imports always keep such a manifest and report it.",
      ),
  }),
}).describe("What a push must satisfy.");
