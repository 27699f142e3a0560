/** Tells what a failed question to an upstream registry means. */
import type { RegistryError } from "../domain/errors.js";
import { describeError } from "../lib/describe-error.js";
import { AnswerError, CredentialsRefused } from "../transfer/remote/answer-error.js";
import { SourceError } from "../transfer/source.js";
import type { Outcome } from "./counts.js";

/** Docker Hub answers 401 for a repository that does not exist, and others 403, so that nobody learns which ones do. */
const absentStatuses: ReadonlySet<number> = new Set([401, 403, 404]);

export function isAbsent(error: unknown): boolean {
  return error instanceof AnswerError && absentStatuses.has(error.status);
}

/** Returns how a failed question is counted. */
export function outcomeOf(error: unknown, late: AbortSignal | undefined): Outcome {
  if (error instanceof CredentialsRefused) return "refused";
  if (error instanceof AnswerError && error.status === 429) return "rate_limited";
  return late?.aborted === true ? "timeout" : "failure";
}

/** Whether the upstream is unreachable, overloaded or broken, or answers nothing, rather than wrong about one object. */
export function isOutage(error: unknown): boolean {
  if (error instanceof AnswerError) return error.status === 429 || error.status >= 500;
  if (error instanceof CredentialsRefused) return true;
  return error instanceof SourceError && error.cause !== undefined;
}

/** Whether the error is one for clients already. */
export function isUpstreamError({ kind }: RegistryError): boolean {
  return kind === "upstream-failed" || kind === "upstream-timeout";
}

/** Returns the reason, for clients. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof AnswerError)) return describeError(error);
  const { status } = error;
  return status === 429 ? "it answers 429, too many requests" : `it answers ${status}`;
}
