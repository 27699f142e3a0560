/** Says what happens to manifests that nothing keeps. */
import { formatSeconds } from "../../lib/format.js";
import type { Fate } from "../../registry/deletion-preview.js";
import { fitLine } from "./fit.js";

/** Maximum length of the reason why collection is stopped. */
const whyBytesMax = 300;

interface FateTextProps {
  readonly fate: Fate;
  /** The manifests, as the object of a sentence. */
  readonly of: "them" | "manifests that nothing keeps";
}

export function FateText({ fate, of }: FateTextProps) {
  switch (fate.kind) {
    case "collected":
      return fate.afterSeconds === 0 ? (
        <>Garbage collection removes {of}, unless a client still needs them.</>
      ) : (
        <>
          Garbage collection removes {of} when they are {formatSeconds(fate.afterSeconds)} old and no client
          needs them.
        </>
      );
    case "kept":
      return (
        <>
          {of === "them" ? "They" : "Manifests that nothing keeps"} stay until <code>gc.untagged</code> or{" "}
          <code>gantry gc --untagged</code> sets an age for manifests without a tag.
        </>
      );
    case "evicted":
      return (
        <>
          The content is cached from an upstream registry: it is evicted when it is not used, with or without
          a tag, and a pull fetches it again.
        </>
      );
    case "unreadable":
      return (
        <>
          Garbage collection removes nothing here as long as something in this repository cannot be read
          {fate.why === undefined ? "." : `: ${fitLine(fate.why, whyBytesMax)}`}
        </>
      );
  }
}
