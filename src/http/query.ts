/** Query parameters as the use-cases want them. */
import { RegistryError } from "../domain/errors.js";

/** Entries of a page that asks for no number, and the most that one gets. */
export const pageEntriesMax = 10_000;

const wholeNumber = /^\d{1,18}$/;

/** `n` of a paged listing, capped. Throws `page-invalid`. */
export function parsePageSize(text: string | null): number {
  if (text === null || text === "") return pageEntriesMax;
  if (!wholeNumber.test(text)) {
    throw new RegistryError("page-invalid", "n is a whole number, zero or more", { n: text.slice(0, 32) });
  }
  return Math.min(Number(text), pageEntriesMax);
}

/** A `Link` header to the next page (RFC 5988), relative so that it is right behind any proxy. */
export function nextLink(path: string, parameters: Readonly<Record<string, string>>): [string, string] {
  return ["Link", `<${path}?${new URLSearchParams(parameters)}>; rel="next"`];
}
