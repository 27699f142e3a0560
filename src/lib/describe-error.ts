/** Returns the message of an error with those of its causes, for operators. Clients are told less. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // If every address of a host refuses, Node throws one error for all of them, without a message.
  const message = error.message || ("code" in error ? String(error.code) : error.name);
  return error.cause === undefined ? message : `${message}: ${describeError(error.cause)}`;
}
