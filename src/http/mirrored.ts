/** Finds the upstream's side of a request for a repository. */
import type { PullPermit } from "../auth/gate.js";
import type { MirroredRepository } from "../upstream/cache.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";

/** Returns `undefined` for a local repository. Otherwise the exchange also tells how the cache answers it. */
export function mirrored(
  { upstreams }: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
): MirroredRepository | undefined {
  const repository = upstreams?.of(permit, exchange);
  exchange.mirrored = repository?.from;
  return repository;
}

/** An observer of requests: counts the bytes that clients got of each upstream's content. */
export function countSent({ mirrored: from, sent }: Exchange): void {
  from?.sent(sent);
}
