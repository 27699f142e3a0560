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
  /** `https://host` as the client knows this server; `undefined` if that is not known. */
  readonly origin: string | undefined;
}

/** What a login is needed for, as CNCF distribution tells it in the detail of an error; clients print it. */
export interface Access {
  readonly Type: "repository" | "registry";
  readonly Class: "";
  readonly Name: string;
  readonly Action: string;
}

const scopeActions = { pull: ["pull"], push: ["pull", "push"], delete: ["delete"] } as const;

/** What no token is for. */
const withoutToken: ReadonlySet<Action> = new Set(["token", "metrics"]);

/** The value of `WWW-Authenticate`. */
export function challenge(options: ChallengeOptions, wanted: ChallengeFor): string {
  const realm = withoutToken.has(wanted.action) ? undefined : realmOf(options, wanted);
  if (options.scheme === "basic" || realm === undefined)
    return `Basic realm=${quoted(options.basicRealm)}, charset="UTF-8"`;
  const { service } = options;
  const scope = scopeOf(wanted);
  const parameters = [
    `realm=${quoted(realm)}`,
    `service=${quoted(service)}`,
    ...(scope === undefined ? [] : [`scope=${quoted(scope)}`]),
    ...(wanted.error === undefined ? [] : [`error=${quoted(wanted.error)}`]),
  ];
  return `Bearer ${parameters.join(",")}`;
}

/**
 * The URL where tokens are had, `undefined` if there is none that is known to be right. A client is then asked for its
 * password, which it sends by the connection that it has chosen itself.
 */
export function realmOf(
  options: ChallengeOptions,
  { origin }: Pick<ChallengeFor, "origin">,
): string | undefined {
  if (options.scheme === "basic") return undefined;
  if (!options.realm.startsWith("/")) return options.realm;
  return origin === undefined ? undefined : `${origin}${options.realm}`;
}

/** What the caller lacks; `null` where that is no more than a login. */
export function accessesFor({
  action,
  name,
  source,
}: Pick<ChallengeFor, "action" | "name" | "source">): readonly Access[] | null {
  if (action === "catalog") return [{ Type: "registry", Class: "", Name: "catalog", Action: "*" }];
  if (name === undefined || !isNamed(action)) return null;
  const of = (Name: string) => (Action: string) => ({ Type: "repository", Class: "", Name, Action }) as const;
  return [...scopeActions[action].map(of(name)), ...(source === undefined ? [] : [of(source)("pull")])];
}

function isNamed(action: Action): action is keyof typeof scopeActions {
  return Object.hasOwn(scopeActions, action);
}

function scopeOf({ action, name, source }: ChallengeFor): string | undefined {
  if (action === "catalog") return "registry:catalog:*";
  if (name === undefined || !isNamed(action)) return undefined;
  const scope = `repository:${name}:${scopeActions[action]}`;
  return source === undefined || source === name ? scope : `${scope} repository:${source}:pull`;
}

/** A quoted-string (RFC 9110, section 5.6.4). */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&").replace(/[^\x20-\x7e]/g, "")}"`;
}
