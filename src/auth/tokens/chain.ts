/** Whether a token's certificate chain (`x5c`, RFC 7515, 4.1.6) leads to a root that is trusted. */
import { type KeyObject, X509Certificate } from "node:crypto";
import { refused } from "./jwt.js";

/** A leaf, intermediates, and the root where somebody sends it too. */
const certificatesMax = 8;

/**
 * The leaf's public key, of what a header says its chain is. Throws where the chain leads to no root, or a certificate of it is not valid at `now`.
 * What the certificates are named after and are for is not looked at, as CNCF distribution does not: whoever
 * is an authority below a trusted root may sign tokens, which is why a limit to the path's length adds nothing.
 */
export function leafKeyOf(x5c: unknown, roots: readonly X509Certificate[], now: Date): KeyObject {
  const chain = parseChain(x5c);
  const [leaf] = chain;
  // «Each subsequent certificate being the one used to certify the previous one»: no search, so no cost of one.
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
