/**
 * Finds the row of the route table for a request. `<name>` takes any number of path segments, so paths
 * are matched from their end; the last segment may be percent-encoded, since some clients send a
 * digest's colon that way, and nothing else may.
 */
import type { Action } from "../auth/gate.js";
import { RegistryError } from "../domain/errors.js";
import type { Exchange } from "./exchange.js";

/** The text of a path's variable parts, not yet parsed. */
export interface PathTexts {
  readonly name: string;
  readonly last: string;
}

export interface Route<Context> {
  readonly methods: readonly string[];
  /** `/v2/…`, with `<name>` for a repository and at most one more variable, at the end. */
  readonly path: string;
  /** What the gate is asked about. */
  readonly action: Action;
  /** Headers that the handler reads. */
  readonly headers: readonly string[];
  /** Whether the request's body is wanted. */
  readonly body?: true;
  readonly handle: (context: Context, exchange: Exchange, path: PathTexts) => void | Promise<void>;
}

interface Resource<Context> {
  /** Segments behind `<name>`; the last may be a variable. */
  readonly tail: readonly string[];
  readonly hasVariable: boolean;
  readonly routes: Map<string, Route<Context>>;
  readonly allow: string;
}

export type Match<Context> =
  | { readonly kind: "found"; readonly route: Route<Context>; readonly path: PathTexts }
  | { readonly kind: "method-not-allowed"; readonly allow: string }
  | { readonly kind: "unknown" };

const unknown = { kind: "unknown" } as const;
const namePrefix = "/v2/<name>/";

export class Router<Context> {
  readonly #fixed = new Map<string, Resource<Context>>();
  /** The longer and the more literal first: `/blobs/uploads/<session>`, `/blobs/uploads`, `/blobs/<digest>`. */
  readonly #named: readonly Resource<Context>[];

  constructor(table: readonly Route<Context>[]) {
    const named: Resource<Context>[] = [];
    for (const [path, routes] of groupByPath(table)) {
      const resource = resourceOf(path, routes);
      if (path.startsWith(namePrefix)) named.push(resource);
      else this.#fixed.set(path, resource);
    }
    this.#named = named.sort(
      (a, b) => b.tail.length - a.tail.length || Number(a.hasVariable) - Number(b.hasVariable),
    );
  }

  match(method: string, url: string): Match<Context> {
    const fixed = this.#fixed.get(url);
    if (fixed !== undefined) return methodOf(fixed, method, { name: "", last: "" });
    if (!url.startsWith("/v2/")) return unknown;
    for (const resource of this.#named) {
      const path = matchTail(resource, url);
      if (path !== undefined) return methodOf(resource, method, path);
    }
    return unknown;
  }
}

function groupByPath<Context>(table: readonly Route<Context>[]): Map<string, Route<Context>[]> {
  const groups = new Map<string, Route<Context>[]>();
  for (const route of table) {
    const group = groups.get(route.path);
    if (group === undefined) groups.set(route.path, [route]);
    else group.push(route);
  }
  return groups;
}

function resourceOf<Context>(path: string, rows: readonly Route<Context>[]): Resource<Context> {
  const routes = new Map(rows.flatMap((route) => route.methods.map((method) => [method, route] as const)));
  const tail = path.startsWith(namePrefix) ? path.slice(namePrefix.length).split("/") : [];
  return {
    tail,
    hasVariable: tail.at(-1)?.startsWith("<") ?? false,
    routes,
    allow: [...routes.keys()].join(", "),
  };
}

function methodOf<Context>(resource: Resource<Context>, method: string, path: PathTexts): Match<Context> {
  const route = resource.routes.get(method);
  return route === undefined
    ? { kind: "method-not-allowed", allow: resource.allow }
    : { kind: "found", route, path };
}

function matchTail(
  { tail, hasVariable }: Pick<Resource<never>, "tail" | "hasVariable">,
  url: string,
): PathTexts | undefined {
  let end = url.length;
  let last = "";
  for (let index = tail.length - 1; index >= 0; index--) {
    const slash = url.lastIndexOf("/", end - 1);
    const segment = url.slice(slash + 1, end);
    if (hasVariable && index === tail.length - 1) {
      if (segment === "") return undefined;
      last = segment;
    } else if (segment !== tail[index]) return undefined;
    end = slash;
  }
  return end <= "/v2/".length ? undefined : { name: url.slice("/v2/".length, end), last: decodeLast(last) };
}

function decodeLast(segment: string): string {
  if (!segment.includes("%")) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new RegistryError("request-invalid", "the path is not percent-encoded UTF-8");
  }
}
