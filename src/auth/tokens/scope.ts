/**
 * Parses the scopes that a client requests, such as `repository:team/app:pull,push` (distribution's "Token Scope
 * Documentation", "Resource Scope Grammar"). Ignores well-formed scopes for resources that this registry does not have,
 * because a scope that is not granted "must not be considered an error".
 */
import { RegistryError } from "../../domain/errors.js";
import { isPermission } from "../../domain/permission.js";
import { isRepositoryName, type RepositoryName } from "../../domain/repository-name.js";
import type { Permission } from "../identity.js";

/** `*` requests everything that is granted; skopeo uses it to delete. */
export type RequestedAction = Permission | "*";

export interface RequestedScopes {
  readonly repositories: ReadonlyMap<RepositoryName, ReadonlySet<RequestedAction>>;
  /** Whether `registry:catalog:*` is requested. */
  readonly catalog: boolean;
}

/** Clients request one scope, and one more for each repository from which they mount. */
export const scopesMax = 100;
/** Fits a name of 255 characters, a type, and more actions than there are. */
export const scopeCharactersMax = 512;

/**
 * The grammar: type, with a class that is "deprecated and ignored", name and actions. A name may have a colon before its
 * host's port; actions have none. The specification's actions contain only letters; Gantry's also contain hyphens.
 */
const grammar =
  /^(?<type>[a-z0-9]+)(?:\([a-z0-9]+\))?:(?<name>[a-zA-Z0-9._/:-]+):(?<actions>[a-z*-]*(?:,[a-z*-]*)*)$/;

/** Parses texts with one scope, or several separated by spaces. Throws `request-invalid`. */
export function parseScopes(texts: readonly string[]): RequestedScopes {
  const scopes = texts.flatMap((text) => split(text));
  if (scopes.length > scopesMax) throw invalid(`there are more than ${scopesMax} scopes`);
  const repositories = new Map<RepositoryName, Set<RequestedAction>>();
  let catalog = false;
  for (const scope of scopes) {
    const { type, name = "", actions = "" } = grammar.exec(scope)?.groups ?? {};
    if (type === undefined) throw invalid("a scope is type:name:action,action");
    if (type === "registry" && name === "catalog") catalog ||= actions.split(",").includes("*");
    if (type !== "repository" || !isRepositoryName(name)) continue;
    const requested = repositories.get(name) ?? new Set();
    for (const action of actions.split(",")) if (isRequestedAction(action)) requested.add(action);
    repositories.set(name, requested);
  }
  return { repositories, catalog };
}

/** Stops early if there are far too many. */
function split(text: string): string[] {
  const scopes = text.split(" ", scopesMax + 1).filter((scope) => scope !== "");
  if (scopes.some((scope) => scope.length > scopeCharactersMax))
    throw invalid(`a scope has at most ${scopeCharactersMax} characters`);
  return scopes;
}

function isRequestedAction(text: string): text is RequestedAction {
  return text === "*" || isPermission(text);
}

function invalid(reason: string): RegistryError {
  return new RegistryError("request-invalid", `the scope is not valid: ${reason}`);
}
