/** `validation`: checks on pushed manifests. */
import { z } from "zod";
import { section } from "./section.js";
import { flag } from "./values.js";

export const validation = section({
  manifests: section({
    sparse: flag
      .prefault("false")
      .describe("Accepts a manifest that names blobs or manifests missing from its repository."),
    sizes: z
      .enum(["strict", "lenient"], 'expected "strict" or "lenient"')
      .prefault("strict")
      .describe(
        "What to do with a manifest that has a descriptor whose size or embedded data differs from its content. `strict` refuses it. `lenient` stores it, as CNCF distribution does, but clients that check sizes cannot pull it. Imports always keep such a manifest and report it.",
      ),
  }),
}).describe("Checks on pushed manifests.");
