/** What a registry's response says about a failure. */
import { SourceError } from "../source.js";

/** The registry, or its token server, responded with an unsuccessful status. */
export class AnswerError extends SourceError {
  constructor(
    message: string,
    readonly status: number,
    /** As the registry demands; 0 if it demands nothing. */
    readonly retryAfterSeconds: number,
  ) {
    super(message);
  }
}

/** The registry, or its token server, does not accept the user name and the password, whatever is requested. */
export class CredentialsRefused extends SourceError {}
