/** Decodes the path of a request for the router. */
import { RegistryError } from "../domain/errors.js";

/** The characters of names, references, digests and session IDs; a log need not escape them. */
const plain = /^[\w./:+=~-]*$/;

/**
 * Decodes percent-encoding, once: `/v2/team%2Fapp/` and `/v2/%74eam/app/` are `/v2/team/app/` (RFC 9110, section 4.2.3).
 * A path that has other characters once it is decoded (a NUL, a space, another `%`) stays as it was sent, and then no
 * name or reference takes its `%`. Throws `request-invalid`.
 */
export function decodePath(path: string): string {
  if (!path.includes("%")) return path;
  const decoded = decodeUtf8(path);
  return plain.test(decoded) ? decoded : path;
}

function decodeUtf8(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RegistryError("request-invalid", "the path is not percent-encoded UTF-8");
  }
}
