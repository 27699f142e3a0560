/** Answers of an engine that do not change while a node waits: another attempt is of no use. */

/** The engine refuses this node, or is not fit for a cluster. */
export class EngineRefused extends Error {
  override readonly name = "EngineRefused";
}

/** Replies that an engine gives while it starts, is busy, or changes its role. */
const passing = /^(LOADING|BUSY|MASTERDOWN|TRYAGAIN|READONLY|ERR max number of clients)/;

/** Codes of Node for a certificate that is not trusted, and for two sides without a common version of TLS. */
const tlsCodes = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/** Whether an error of the client says that the engine refuses this node for good, such as for a wrong password. */
export function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof EngineRefused) return true;
  if ("code" in error && tlsCodes.test(String(error.code))) return true;
  // The name of the client's class for an error that the server has sent.
  return error.name === "ReplyError" && !passing.test(error.message);
}
