/**
 * Receives the forms of the pages, and refuses those that another site sent from a visitor's browser. Three checks are
 * independent of each other: the browser's own word (`Sec-Fetch-Site`, `Origin`), a token in the form that other sites cannot
 * know, and `SameSite=Strict` of the session cookie.
 */
import { timingSafeEqual } from "node:crypto";
import { RegistryError } from "../../domain/errors.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import type { Web } from "./web.js";

/** Maximum size of a form: a hundred tags of 128 characters fit, and a token. */
const formBytesMax = 32 * 1024;

/** The headers that the check needs. */
export const formHeaders = ["content-type", "content-length", "origin", "sec-fetch-site"];

/** The field with the token. */
export const tokenField = "form";

/** Rejects with `denied` if the form may come from another site. */
export async function receiveForm(context: HttpContext, exchange: Exchange): Promise<URLSearchParams> {
  const { body } = exchange;
  const web = webOf(context);
  if (body === undefined) throw new Error("invariant broken: this route takes a body");
  if (isFromElsewhere(exchange)) throw foreignForm();
  if (!exchange.header("content-type").startsWith("application/x-www-form-urlencoded"))
    throw new RegistryError("request-invalid", "expected a form (application/x-www-form-urlencoded)");
  const form = await body.collect(
    context.services.bodyMemory.account(exchange.client),
    { bytesMax: formBytesMax, bytesExpected: exchange.announcedLength },
    async (bytes) => new URLSearchParams(bytes.toString("utf8")),
  );
  if (!isSame(form.get(tokenField) ?? "", web.sessions.formToken(exchange))) throw foreignForm();
  return form;
}

/** Returns the parts of the pages. A route of a page has them. */
export function webOf({ web }: HttpContext): Web {
  if (web === undefined) throw new Error("invariant broken: this server has no pages");
  return web;
}

function isFromElsewhere(exchange: Exchange): boolean {
  const site = exchange.header("sec-fetch-site");
  if (site !== "") return site !== "same-origin";
  // Browsers without Fetch Metadata send the origin with every form.
  const origin = exchange.header("origin");
  return origin !== "" && origin.replace(/^https?:\/\//, "") !== exchange.incoming.host;
}

function isSame(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function foreignForm(): RegistryError {
  return new RegistryError(
    "denied",
    "this form is not from this page, or your session has ended: go back, reload the page and try again",
  );
}
