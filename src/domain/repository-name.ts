/** Repository names (distribution-spec, "Pulling manifests": `<name>`). */
import { RegistryError } from "./errors.js";

declare const nameBrand: unique symbol;
export type RepositoryName = string & { readonly [nameBrand]: true };

/**
 * The specification's grammar for one component. It has no nested repetitions that can match the same text twice, so that no
 * input causes backtracking: each separator is followed by a character that no separator contains.
 */
const component = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*$/;

/** Many clients limit host and name to 255 characters together, so they could not pull from a longer name. */
export const nameCharactersMax = 255;

export function isRepositoryName(text: string): text is RepositoryName {
  return text.length <= nameCharactersMax && text.split("/").every((part) => component.test(part));
}

/** Parses a repository name. Throws `name-invalid`. */
export function parseRepositoryName(text: string): RepositoryName {
  if (isRepositoryName(text)) return text;
  const reason =
    text.length > nameCharactersMax
      ? `a repository name has at most ${nameCharactersMax} characters`
      : "a repository name has lower-case letters, digits and separators (. _ __ -) between them, in components separated by /";
  throw new RegistryError("name-invalid", reason, { name: text.slice(0, nameCharactersMax) });
}
