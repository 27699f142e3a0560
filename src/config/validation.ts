/** `validation`: what a push must satisfy. */
import { section } from "./section.js";
import { flag } from "./values.js";

export const validation = section({
  manifests: section({
    sparse: flag
      .prefault("false")
      .describe("Whether a manifest may name blobs and manifests that its repository lacks."),
  }),
}).describe("What a push must satisfy.");
