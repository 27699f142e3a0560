/** What a 401 asks for: how to log in here (RFC 9110, section 11.6.1; distribution's token documents). */
import type { Action } from "../auth/gate.js";
import type { RepositoryName } from "../domain/repository-name.js";

export type ChallengeOptions =
  | { readonly scheme: "basic"; readonly basicRealm: string }
  | {
      readonly scheme: "bearer";
      /** What is shown where a token itself is asked for. */
      readonly basicRealm: string;
      /** Where tokens are had; a path is one of this server's own. */
      readonly realm: string;
      readonly service: string;
    };

export interface ChallengeFor {
  readonly action: Action;
  readonly name: RepositoryName | undefined;
  /** Another that a blob is to be mounted from. */
  readonly source: RepositoryName | undefined;
  /** Why what the client came with is not enough; nothing where it came with nothing. */
  readonly error: "insufficient_scope" | "invalid_token" | undefined;
  /** `https://host` as the client knows this server. */
  readonly origin: string;
}

const scopeActions = { pull: "pull", push: "pull,push", delete: "delete" } as const;

/** What no token is for. */
const withoutToken: ReadonlySet<Action> = new Set(["token", "metrics"]);

/** The value of `WWW-Authenticate`. */
export function challenge(options: ChallengeOptions, wanted: ChallengeFor): string {
  if (options.scheme === "basic" || withoutToken.has(wanted.action))
    return `Basic realm=${quoted(options.basicRealm)}, charset="UTF-8"`;
  const { realm, service } = options;
  const scope = scopeOf(wanted);
  const parameters = [
    `realm=${quoted(realm.startsWith("/") ? `${wanted.origin}${realm}` : realm)}`,
    `service=${quoted(service)}`,
    ...(scope === undefined ? [] : [`scope=${quoted(scope)}`]),
    ...(wanted.error === undefined ? [] : [`error=${quoted(wanted.error)}`]),
  ];
  return `Bearer ${parameters.join(",")}`;
}

function scopeOf({ action, name, source }: ChallengeFor): string | undefined {
  if (action === "catalog") return "registry:catalog:*";
  if (name === undefined || action === "base" || action === "token" || action === "metrics") return undefined;
  const scope = `repository:${name}:${scopeActions[action]}`;
  return source === undefined || source === name ? scope : `${scope} repository:${source}:pull`;
}

/** A quoted-string (RFC 9110, section 5.6.4). */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replace(/[^\x20-\x7e]/g, "")}"`;
}
