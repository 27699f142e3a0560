/** Leads from addresses that people type or shorten to the page of a repository. */
import type { PullPermit } from "../../auth/gate.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { redirect } from "./redirect.js";
import { repositoryUrl } from "./show.js";

export function leadToTags(_: HttpContext, exchange: Exchange, { name }: PullPermit): void {
  redirect(exchange, repositoryUrl(name));
}
