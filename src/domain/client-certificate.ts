/** What a client's certificate says of its holder. Made only of certificates that a trusted CA has signed. */

export interface ClientCertificate {
  /** The common names of the subject: one, as a rule. */
  readonly commonNames: readonly string[];
  readonly alternativeNames: readonly AlternativeName[];
  /** Milliseconds since the epoch: after that it certifies nothing. */
  readonly validTo: number;
}

export type AlternativeNameKind = "dns" | "email" | "uri";

/** A name of the extension `subjectAltName` (RFC 5280, section 4.2.1.6), of the kinds that name somebody. */
export interface AlternativeName {
  readonly kind: AlternativeNameKind;
  readonly value: string;
}

const kinds: Readonly<Record<string, AlternativeNameKind>> = { DNS: "dns", email: "email", URI: "uri" };

/** A name that holds what could be taken for a separator is quoted as a JSON string. */
const entry = /(?<kind>[A-Za-z][A-Za-z ]*):(?:(?<quoted>"(?:[^"\\]|\\.)*")|(?<plain>[^",]*))(?:, |$)/y;

/**
 * Reads the names as `node:crypto` writes them: `DNS:a.example, URI:spiffe://a/b`. A text that is not wholly
 * of that form gives none, so that no name is taken from within another.
 */
export function parseAlternativeNames(text: string): readonly AlternativeName[] {
  const names: AlternativeName[] = [];
  for (let at = 0; at < text.length; at = entry.lastIndex) {
    entry.lastIndex = at;
    const groups = entry.exec(text)?.groups;
    if (groups === undefined) return [];
    const kind = kinds[groups.kind ?? ""];
    const value = groups.plain ?? unquoted(groups.quoted ?? "");
    if (value === undefined) return [];
    if (kind !== undefined) names.push({ kind, value });
  }
  return names;
}

function unquoted(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}
