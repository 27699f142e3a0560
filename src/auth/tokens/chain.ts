/** Verifies that a token's certificate chain (`x5c`, RFC 7515, 4.1.6) leads to a trusted root. */
import { type KeyObject, X509Certificate } from "node:crypto";
import { refused } from "./jwt.js";

/** Leaf, intermediates and, if sent, the root. */
const certificatesMax = 8;

/**
 * Returns the leaf's public key from a header's chain. Throws if the chain leads to no trusted root, or if one of its
 * certificates is not valid at `now`. Like CNCF distribution, it checks neither names nor key usages: any authority below a
 * trusted root may sign tokens, so a limit on the path's length would add nothing.
 */
export function leafKeyOf(x5c: unknown, roots: readonly X509Certificate[], now: Date): KeyObject {
  const chain = parseChain(x5c);
  const [leaf] = chain;
  // "Each subsequent certificate being the one used to certify the previous one": this needs no search, so it has no search
  // cost.
  for (const [index, certificate] of chain.entries()) {
    if (!isValidAt(certificate, now)) break;
    const isTrusted = roots.some(
      (root) => root.raw.equals(certificate.raw) || (isValidAt(root, now) && hasIssued(root, certificate)),
    );
    if (leaf !== undefined && isTrusted) return leaf.publicKey;
    const next = chain[index + 1];
    if (next === undefined || !hasIssued(next, certificate)) break;
  }
  throw refused("its certificate chain leads to no trusted root");
}

function parseChain(x5c: unknown): X509Certificate[] {
  if (!Array.isArray(x5c) || x5c.length > certificatesMax)
    throw refused("its certificate chain is malformed");
  return x5c.map((der: unknown) => {
    if (typeof der !== "string") throw refused("its certificate chain is malformed");
    return new X509Certificate(Buffer.from(der, "base64"));
  });
}

function hasIssued(authority: X509Certificate, certificate: X509Certificate): boolean {
  return authority.ca && certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

function isValidAt({ validFrom, validTo }: X509Certificate, now: Date): boolean {
  return new Date(validFrom) <= now && now <= new Date(validTo);
}
