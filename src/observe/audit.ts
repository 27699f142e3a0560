/**
 * The audit log: user, action, target, address and outcome. It has a line of JSON for each request that changed something or
 * was refused, for each issued token and, if enabled, for each pull. It contains named fields only, so that no header, query
 * or body, and therefore no secret, can get into it.
 */
import type { Action } from "../auth/gate.js";
import type { Exchange } from "../http/exchange.js";
import type { RouteOf } from "../http/incoming.js";

export interface AuditRecord {
  /** The route's action, such as `push`; `unknown` for a path outside the API. */
  readonly action: string;
  readonly method: string;
  /** The pattern in the route table; the path itself if no route matches. */
  readonly route: string;
  readonly subject: string;
  readonly address: string;
  readonly repository?: string;
  /** Tag, digest or session in the path. */
  readonly reference?: string;
  readonly tags?: readonly string[];
  readonly digest?: string;
  readonly from?: string;
  /** The robot that was created or revoked. */
  readonly robot?: string;
  readonly status: number;
  readonly outcome: "granted" | "refused" | "failed" | "aborted";
}

export interface AuditOptions {
  /** Also logs pulls and lists. */
  readonly pulls: boolean;
  readonly write: (record: AuditRecord) => void;
}

const refusals = new Set([401, 403, 429]);

const reads: ReadonlySet<Action | "public"> = new Set([
  "base",
  "pull",
  "catalog",
  "metrics",
  "page",
  "public",
]);

const readMethods: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Returns whether a successful request on this route is logged. */
export function isAudited(
  route: Omit<RouteOf, "path"> | undefined,
  method: string,
  { pulls }: Pick<AuditOptions, "pulls">,
): boolean {
  if (pulls) return true;
  if (route === undefined || reads.has(route.action)) return false;
  // A page that only shows the form of a change makes none. A browser that comes back from an OIDC provider logs in.
  return route.page !== true || route.action === "login" || !readMethods.has(method);
}

/** An observer of requests. */
export function audit({ pulls, write }: AuditOptions): (exchange: Exchange) => void {
  return (exchange) => {
    const { status, incoming } = exchange;
    const isRefused = refusals.has(status);
    // A client that sends no credentials to learn how to log in is not a refused one.
    if (isRefused && incoming.authorization === "" && incoming.route?.action === "base") return;
    if (!isRefused && !isAudited(incoming.route, incoming.method, { pulls })) return;
    write(recordOf(exchange, isRefused));
  };
}

/** Longer texts are cut. */
const textCharactersMax = 256;

function recordOf(exchange: Exchange, isRefused: boolean): AuditRecord {
  const { incoming, status, name, identity } = exchange;
  const query = new URLSearchParams(exchange.query);
  const tags = query.getAll("tag").slice(0, 100).map(cut);
  const digest = query.get("digest") ?? query.get("mount");
  const from = query.get("from");
  const last = incoming.route?.path.endsWith(">")
    ? exchange.path.slice(exchange.path.lastIndexOf("/") + 1)
    : "";
  return {
    action: incoming.route?.action ?? "unknown",
    method: exchange.method,
    route: incoming.route?.path ?? cut(exchange.path),
    subject: identity?.subject ?? "unknown",
    address: incoming.peer.address,
    ...(name !== undefined && { repository: name }),
    ...(last !== "" && { reference: cut(last) }),
    ...(tags.length > 0 && { tags }),
    ...(digest !== null && { digest: cut(digest) }),
    ...(from !== null && { from: cut(from) }),
    ...(exchange.robot !== undefined && { robot: exchange.robot }),
    status,
    outcome: outcomeOf(exchange, isRefused),
  };
}

function outcomeOf({ status, aborted }: Exchange, isRefused: boolean): AuditRecord["outcome"] {
  if (isRefused) return "refused";
  if (status === 0 && aborted) return "aborted";
  return status >= 200 && status < 400 ? "granted" : "failed";
}

function cut(text: string): string {
  return text.slice(0, textCharactersMax);
}
