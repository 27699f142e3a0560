/** The context of all parts of a verification. */
import type { Digest } from "../../domain/digest.js";
import type { Services } from "../services.js";
import type { Findings } from "./report.js";

export interface VerifyOptions {
  /** Report what is wrong, and change nothing. */
  readonly dryRun: boolean;
  /** Ends the verification after the current object; the report then covers the work until then. */
  readonly signal: AbortSignal;
}

/** The state shared by the verifications of all repositories. */
export interface Verification extends VerifyOptions {
  readonly services: Services;
  readonly findings: Findings;
  /** Contents found damaged. */
  readonly damaged: ReadonlySet<Digest>;
}

/** The faults of manifests and of the objects that they name. */
export type Wrongs = ReadonlyMap<Digest, readonly string[]>;
