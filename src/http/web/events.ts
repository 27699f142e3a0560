/** Live updates of pages: `/ui/events` for all repositories, `/ui/r/<name>/_events` for one. */
import type { CatalogPermit, Gate, PullPermit, Visible } from "../../auth/gate.js";
import { anonymous, type Identity } from "../../auth/identity.js";
import { RegistryError } from "../../domain/errors.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import type { Sight } from "./live-stream.js";
import { webOf } from "./web.js";

export async function getEvents(context: HttpContext, exchange: Exchange, _: CatalogPermit): Promise<void> {
  const { gate, services } = context;
  await services.cluster.changes.followAll();
  const sight = sightOf(context, exchange, (identity) =>
    gate.mayList(identity) ? gate.catalog(identity).shown : undefined,
  );
  await webOf(context).live.follow(exchange, undefined, renderedAt(exchange), sight);
}

export async function getRepositoryEvents(
  context: HttpContext,
  exchange: Exchange,
  { name }: PullPermit,
): Promise<void> {
  await context.services.cluster.changes.followAll();
  const sight = sightOf(context, exchange, (identity) => pullOf(context.gate, identity, name));
  await webOf(context).live.follow(exchange, name, renderedAt(exchange), sight);
}

function pullOf(gate: Gate, identity: Identity, name: PullPermit["name"]): Pick<Visible, "has"> | undefined {
  return gate.may(identity, "pull", name) ? { has: (other) => other === name } : undefined;
}

/** Looks at the session each time: it may have ended, and the policy may have changed. */
function sightOf(
  context: HttpContext,
  exchange: Exchange,
  seenBy: (identity: Identity) => Pick<Visible, "has"> | undefined,
): Sight {
  const { subject } = exchange.identity ?? anonymous;
  return async () => {
    try {
      const identity = await webOf(context).sessions.identify(exchange);
      return identity.subject === subject ? seenBy(identity) : undefined;
    } catch (error) {
      if (!(error instanceof RegistryError)) context.services.onBackgroundError(error);
      return undefined;
    }
  };
}

/** Returns when the page was rendered, in milliseconds since the epoch; 0 if that is unknown. */
function renderedAt({ query }: Exchange): number {
  const text = new URLSearchParams(query).get("at") ?? "";
  return /^\d{1,16}$/.test(text) ? Number(text) : 0;
}
