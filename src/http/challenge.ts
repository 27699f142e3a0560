/** Builds the challenge of a 401 (RFC 9110, section 11.6.1; distribution's token documents). */
import type { Action } from "../auth/gate.js";
import type { RepositoryName } from "../domain/repository-name.js";

export type ChallengeOptions =
  | { readonly scheme: "basic"; readonly basicRealm: string }
  | {
      readonly scheme: "bearer";
      /** Realm of the Basic challenge at the token endpoint. */
      readonly basicRealm: string;
      /** URL of the token server; a path is on this server. */
      readonly realm: string;
      readonly service: string;
    };

export interface ChallengeFor {
  readonly action: Action;
  readonly name: RepositoryName | undefined;
  /** Another repository, from which a blob is to be mounted. */
  readonly source: RepositoryName | undefined;
  /** Why the client's credentials are not enough; absent if it sent none. */
  readonly error: "insufficient_scope" | "invalid_token" | undefined;
  /** `https://host` by which the client reaches this server; `undefined` if unknown. */
  readonly origin: string | undefined;
}

/** The access that needs a login, in the form of CNCF distribution's error details. Clients print it. */
export interface Access {
  readonly Type: "repository" | "registry";
  readonly Class: "";
  readonly Name: string;
  readonly Action: string;
}

const scopeActions = { pull: ["pull"], push: ["pull", "push"], delete: ["delete"] } as const;

/** Actions for which there are no tokens. */
const withoutToken: ReadonlySet<Action> = new Set(["token", "metrics", "page", "login", "robots"]);

/** Returns the value of `WWW-Authenticate`. */
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
 * Returns the URL of the token server, or `undefined` if no URL is known to be correct. The client is then asked for its
 * password, which it sends over its existing connection.
 */
export function realmOf(
  options: ChallengeOptions,
  { origin }: Pick<ChallengeFor, "origin">,
): string | undefined {
  if (options.scheme === "basic") return undefined;
  if (!options.realm.startsWith("/")) return options.realm;
  return origin === undefined ? undefined : `${origin}${options.realm}`;
}

/** Returns the access that the caller lacks, or `null` if it only lacks a login. */
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
