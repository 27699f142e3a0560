/**
 * Returns the message of an error with those of its causes, for operators. Clients are told less. A message that ends with
 * that of the cause is not followed by it again.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // If every address of a host refuses, Node throws one error for all of them, without a message.
  const message = messageOf(error) || ("code" in error ? String(error.code) : error.name);
  if (error.cause === undefined) return message;
  const cause = describeError(error.cause);
  return message === cause || message.endsWith(`: ${cause}`) ? message : `${message}: ${cause}`;
}

/** OpenSSL's messages name the lines of its source, and end in a line feed. Node keeps their reason apart. */
function messageOf(error: Error): string {
  const isOpenSsl = "library" in error && "reason" in error && typeof error.reason === "string";
  return isOpenSsl ? `${error.library}: ${error.reason}` : error.message;
}
