/** The names in a client's certificate. Created only from certificates signed by a trusted CA. */

export interface ClientCertificate {
  /** The common names of the subject, usually one. */
  readonly commonNames: readonly string[];
  readonly alternativeNames: readonly AlternativeName[];
  /** Expiry, in milliseconds since the epoch. */
  readonly validTo: number;
}

export type AlternativeNameKind = "dns" | "email" | "uri";

/** A name in the extension `subjectAltName` (RFC 5280, section 4.2.1.6), of a kind that identifies a client. */
export interface AlternativeName {
  readonly kind: AlternativeNameKind;
  readonly value: string;
}

const kinds: Readonly<Record<string, AlternativeNameKind>> = { DNS: "dns", email: "email", URI: "uri" };

/** Node quotes a name with a possible separator as a JSON string. */
const entry = /(?<kind>[A-Za-z][A-Za-z ]*):(?:(?<quoted>"(?:[^"\\]|\\.)*")|(?<plain>[^",]*))(?:, |$)/y;

/**
 * Parses the names in the format of `node:crypto`: `DNS:a.example, URI:spiffe://a/b`. Returns none if any part of the text
 * has another form, so that no name is taken from inside another.
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
