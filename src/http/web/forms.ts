/**
 * Receives the forms of the pages, and refuses those that another site sent from a visitor's browser. Three checks are
 * independent of each other: the browser's own word (`Sec-Fetch-Site`, `Origin`), a token in the form that is bound to the
 * session, and `SameSite=Strict` of the session cookie.
 */
import { RegistryError } from "../../domain/errors.js";
import { browserHeaders } from "../browser-guard.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { isFromElsewhere } from "./own-origin.js";
import { webOf } from "./web.js";

/** Maximum size of a form: a hundred tags of 128 characters fit, and a token. */
const formBytesMax = 32 * 1024;

/** The headers that the check needs. */
export const formHeaders = ["content-type", "content-length", ...browserHeaders];

/** The field with the token. */
export const tokenField = "form";

/** Rejects with `denied` if the form may come from another site. */
export async function receiveForm(context: HttpContext, exchange: Exchange): Promise<URLSearchParams> {
  const { body } = exchange;
  const web = webOf(context);
  if (body === undefined) throw new Error("invariant broken: this route takes a body");
  if (isFromElsewhere(exchange, web.publicOrigin)) throw foreignForm();
  if (!exchange.header("content-type").startsWith("application/x-www-form-urlencoded"))
    throw new RegistryError("request-invalid", "expected a form (application/x-www-form-urlencoded)");
  const form = await body.collect(
    context.services.bodyMemory.account(exchange.client),
    { bytesMax: formBytesMax, bytesExpected: exchange.announcedLength },
    async (bytes) => new URLSearchParams(bytes.toString("utf8")),
  );
  if (!web.sessions.hasFormToken(exchange, form.get(tokenField) ?? "")) throw foreignForm();
  return form;
}

function foreignForm(): RegistryError {
  return new RegistryError(
    "denied",
    "this form is not from this page, your session has ended, or your browser refuses the cookie of this page: let it accept cookies from here, go back, reload the page and try again; if that does not help behind a proxy, set http.host to the address in the browser",
  );
}
