/**
 * Finds the row of the route table for a request. `<name>` matches any number of path segments, so paths are matched from
 * their end. Paths are already decoded (`path.ts`).
 */
import type { Action, NamedAction, Permits } from "../auth/gate.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { WantedManifest } from "../registry/wanted-manifest.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";

/** The texts of a path's variables, and the values parsed from them: frequent paths are remembered. */
export interface PathTexts {
  readonly name: string;
  readonly last: string;
  /** `name`, once it has been parsed. */
  repository?: RepositoryName;
  /** The manifest that the path names, once it has been parsed. */
  manifest?: WantedManifest;
}

interface Row {
  readonly methods: readonly string[];
  /** A path without variables, or a repository's (`namePrefixes`) with at most one more variable, at the end. */
  readonly path: string;
  /** Headers that the handler reads. */
  readonly headers: readonly string[];
  /** Whether the handler reads the request's body. */
  readonly body?: true;
  /** Whether it is part of the web page: the caller has a session cookie, and reads errors as pages. */
  readonly page?: true;
  /** Whether its response lasts until the client leaves, so that its duration tells nothing about the server. */
  readonly stream?: true;
}

/** A route on one repository. Its handler gets the gate's permit for its action, which the use cases require. */
interface RepositoryRoute<A extends NamedAction> extends Row {
  readonly action: A;
  readonly handle: (
    context: HttpContext,
    exchange: Exchange,
    permit: Permits[A],
    last: string,
    path: PathTexts,
  ) => void | Promise<void>;
}

/** A route on the registry as a whole. */
interface RegistryRoute<A extends Exclude<Action, NamedAction>> extends Row {
  readonly action: A;
  readonly handle: (context: HttpContext, exchange: Exchange, permit: Permits[A]) => void | Promise<void>;
}

/** A public route. It gets no permit, so its handler cannot reach stored content. */
interface PublicRoute extends Row {
  readonly action: "public";
  readonly handle: (context: HttpContext, exchange: Exchange) => void;
}

/** A union by action: a row whose handler needs another permit than its action gives does not compile. */
export type Route =
  | { [A in NamedAction]: RepositoryRoute<A> }[NamedAction]
  | { [A in Exclude<Action, NamedAction>]: RegistryRoute<A> }[Exclude<Action, NamedAction>]
  | PublicRoute;

interface Resource {
  /** Segments after `<name>`; the last may be a variable. */
  readonly tail: readonly string[];
  readonly hasVariable: boolean;
  readonly routes: Map<string, Route>;
  readonly allow: string;
}

export type Match =
  | { readonly kind: "found"; readonly route: Route; readonly path: PathTexts }
  | { readonly kind: "method-not-allowed"; readonly allow: string }
  /** The methods that the resource allows (RFC 9110, section 9.3.7). */
  | { readonly kind: "options"; readonly allow: string }
  | { readonly kind: "unknown" };

const unknown = { kind: "unknown" } as const;

/** The beginnings of paths on one repository. */
const namePrefixes = ["/v2/", "/ui/r/"] as const;
const nameVariable = "<name>";

/** Resources on one repository that share a prefix, longer and more literal ones first: `/blobs/uploads`, `/blobs/<digest>`. */
interface NamedResources {
  readonly prefix: string;
  readonly resources: Resource[];
}

export class Router {
  readonly #fixed = new Map<string, Resource>();
  readonly #named: readonly NamedResources[] = namePrefixes.map((prefix) => ({ prefix, resources: [] }));

  constructor(table: readonly Route[]) {
    for (const [path, routes] of groupByPath(table)) {
      const named = this.#named.find(({ prefix }) => path.startsWith(prefix + nameVariable));
      const resource = resourceOf(named === undefined ? [] : tailOf(named.prefix, path), routes);
      if (named === undefined) this.#fixed.set(path, resource);
      else named.resources.push(resource);
    }
    for (const { resources } of this.#named)
      resources.sort(
        (a, b) => b.tail.length - a.tail.length || Number(a.hasVariable) - Number(b.hasVariable),
      );
  }

  match(method: string, path: string): Match {
    const fixed = this.#fixed.get(path);
    if (fixed !== undefined) return methodOf(fixed, method, { name: "", last: "" });
    for (const { prefix, resources } of this.#named) {
      if (!path.startsWith(prefix)) continue;
      for (const resource of resources) {
        const texts = matchTail(resource, path, prefix.length);
        if (texts !== undefined) return methodOf(resource, method, texts);
      }
    }
    return unknown;
  }
}

function groupByPath(table: readonly Route[]): Map<string, Route[]> {
  const groups = new Map<string, Route[]>();
  for (const route of table) {
    const group = groups.get(route.path);
    if (group === undefined) groups.set(route.path, [route]);
    else group.push(route);
  }
  return groups;
}

function tailOf(prefix: string, path: string): string[] {
  const rest = path.slice(prefix.length + nameVariable.length);
  return rest === "" ? [] : rest.slice(1).split("/");
}

function resourceOf(tail: readonly string[], rows: readonly Route[]): Resource {
  const routes = new Map(rows.flatMap((route) => route.methods.map((method) => [method, route] as const)));
  return {
    tail,
    hasVariable: tail.at(-1)?.startsWith("<") ?? false,
    routes,
    allow: [...routes.keys(), "OPTIONS"].join(", "),
  };
}

function methodOf(resource: Resource, method: string, path: PathTexts): Match {
  const route = resource.routes.get(method);
  if (route !== undefined) return { kind: "found", route, path };
  return { kind: method === "OPTIONS" ? "options" : "method-not-allowed", allow: resource.allow };
}

function matchTail(
  { tail, hasVariable }: Pick<Resource, "tail" | "hasVariable">,
  path: string,
  start: number,
): PathTexts | undefined {
  let end = path.length;
  let last = "";
  for (let index = tail.length - 1; index >= 0; index--) {
    const slash = path.lastIndexOf("/", end - 1);
    const segment = path.slice(slash + 1, end);
    if (hasVariable && index === tail.length - 1) {
      if (segment === "") return undefined;
      last = segment;
    } else if (segment !== tail[index]) return undefined;
    end = slash;
  }
  // The whole rest would be the name, but no name has such a component: the path is an unknown one below a repository.
  if ((tail[0] ?? "") === "" && path.includes("/_", start - 1)) return undefined;
  return end <= start ? undefined : { name: path.slice(start, end), last };
}
