/** Reads the name of an image as people write it: `alpine`, `ghcr.io/org/app:v1`, `quay.io/org/app@sha256:…`. */
import { RegistryError } from "../domain/errors.js";
import { parseReference, type Reference } from "../domain/reference.js";
import { parseRepositoryName, type RepositoryName } from "../domain/repository-name.js";
import type { NamedUpstream, UpstreamNames } from "./names.js";

export interface NamedImage {
  /** The name under which the repository is stored. */
  readonly name: RepositoryName;
  readonly reference: Reference;
}

/** Throws `name-invalid`, `name-unknown`, `tag-invalid` or `digest-invalid`. */
export function parseImage(text: string, names: UpstreamNames<NamedUpstream>): NamedImage {
  const [before = "", digest] = text.split("@");
  // A colon before the last slash belongs to the port of a host.
  const colon = before.indexOf(":", before.lastIndexOf("/") + 1);
  const path = colon === -1 ? before : before.slice(0, colon);
  const tag = colon === -1 ? "latest" : before.slice(colon + 1);
  const upstream = names.upstreams.find(({ name }) => path.startsWith(`${name}/`));
  const name =
    upstream === undefined
      ? names.canonical(parseRepositoryName(path), undefined, "")
      : names.canonical(parseRepositoryName(path.slice(upstream.name.length + 1)), upstream.name, "");
  if (names.ownerOf(name) === undefined)
    throw new RegistryError("name-unknown", `${text} belongs to no upstream registry (setting proxy)`);
  return { name, reference: parseReference(digest ?? tag) };
}
