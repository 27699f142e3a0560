/** What all parts of a verification work with. */
import type { Digest } from "../../domain/digest.js";
import type { Services } from "../services.js";
import type { Findings } from "./report.js";

export interface VerifyOptions {
  /** Tell what is wrong, and leave it. */
  readonly dryRun: boolean;
  /** Ends the verification behind what is being read; the report then tells of what was found until then. */
  readonly signal: AbortSignal;
}

/** What one repository's verification has in common with the others'. */
export interface Verification extends VerifyOptions {
  readonly services: Services;
  readonly findings: Findings;
  /** Contents that were found damaged. */
  readonly damaged: ReadonlySet<Digest>;
}

/** What is wrong with manifests, or with what they lead to. */
export type Wrongs = ReadonlyMap<Digest, readonly string[]>;
