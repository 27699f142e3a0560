/** Parses query parameters for the use cases. */
import { RegistryError } from "../domain/errors.js";

const wholeNumber = /^\d{1,18}$/;

/** Parses `n` of a paginated list: at most `entriesMax`, which is also the default. Throws `page-invalid`. */
export function parsePageSize(text: string | null, entriesMax: number): number {
  if (text === null || text === "") return entriesMax;
  if (!wholeNumber.test(text)) {
    throw new RegistryError("page-invalid", "invalid number of results requested", { n: text.slice(0, 32) });
  }
  return Math.min(Number(text), entriesMax);
}

/** Returns a `Link` header to the next page (RFC 5988), relative so that it is correct behind any proxy. */
export function nextLink(path: string, parameters: Readonly<Record<string, string>>): [string, string] {
  return ["Link", `<${path}?${new URLSearchParams(parameters)}>; rel="next"`];
}
