/** Whether clients can log in. */
import type { Config } from "./config.js";

/** Returns whether authentication is enabled. */
export function isProtected({ auth, http }: Config): boolean {
  const { htpasswd, token, workload, oidc, policy, robots } = auth;
  const asksForCertificates = http.tls !== undefined && http.tls.clientcas.length > 0;
  return (
    [htpasswd, token, workload.issuers, oidc, policy].some((set) => set !== undefined) ||
    robots.enabled ||
    asksForCertificates
  );
}
