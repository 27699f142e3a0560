/** Creates the gate and the authenticator for a server with authentication. Part of the composition root. */
import type { Logger } from "pino";
import { Authenticator } from "../auth/authenticator.js";
import { Gate } from "../auth/gate.js";
import type { PasswordVerifier, TokenVerifier } from "../auth/identity.js";
import { loginPolicy } from "../auth/policy.js";
import type { LimitOf } from "../auth/stored-caller.js";
import { algorithms } from "../auth/tokens/algorithms.js";
import { OwnTokens } from "../auth/tokens/own-tokens.js";
import type { Workloads } from "../auth/workload/workloads.js";
import { parseAccessPolicy } from "../config/access-policy.js";
import type { AuthSettings } from "../config/auth.js";
import { asConfigError } from "../config/errors.js";
import { followFiles } from "../config/followed-files.js";
import type { ChallengeOptions } from "../http/challenge.js";
import type { Login } from "../http/context.js";
import type { HitCounts } from "../lib/hit-counts.js";
import type { Services } from "../registry/services.js";
import { openHtpasswd } from "./htpasswd.js";
import type { Opening } from "./opening.js";
import { type OutsideSettings, openOutsideTokens, openSigningKey, openWorkloads } from "./tokens.js";

export interface OpenedLogin {
  readonly gate: Gate;
  /** Absent on a server without authentication. */
  readonly login: Login | undefined;
  /** Hit counts of the caches of credentials, by kind. */
  readonly lookups: Readonly<Record<string, HitCounts>>;
}

/** Rejects with `ConfigError` if a file that the settings name cannot be used. */
export async function openVerifiers(
  opening: Opening,
  services: Services,
  isMirrored: Gate["isMirrored"],
): Promise<OpenedLogin> {
  const gate = await openGate(opening, isMirrored);
  return { gate, ...(await openEach(opening, services, gate)) };
}

async function openGate({ config, log, closers }: Opening, isMirrored: Gate["isMirrored"]): Promise<Gate> {
  const path = config.auth.policy;
  const gate = new Gate(loginPolicy, isMirrored);
  if (path === undefined) return gate;
  const following = await followFiles([path], {
    take: async ([text = ""]) => {
      gate.policy = parseAccessPolicy(text, path);
      log.info({ path }, "access policy loaded");
    },
    onBroken: (error) =>
      log.error(
        { path, err: error },
        "the changed access policy cannot be used: the previous one stays in effect",
      ),
  }).catch(asConfigError("auth.policy"));
  closers.add("access policy", () => following.stop());
  return gate;
}

async function openEach(
  { config: { auth, limits }, log, closers, group }: Opening,
  services: Services,
  gate: Gate,
): Promise<Pick<OpenedLogin, "login" | "lookups">> {
  const lookups: Record<string, HitCounts> = {};
  const passwords: PasswordVerifier[] = [services.robots];
  const tokens: TokenVerifier[] = [];
  let workloads: Workloads | undefined;
  if (auth.workload.issuers !== undefined) {
    const opened = await openWorkloads(auth.workload.issuers, {
      onRefused: (issuer, reason) => log.warn({ issuer, reason }, "a CI job's token was refused"),
      onBroken: (error) => log.error({ err: error }, "the keys of a CI system cannot be loaded"),
    }).catch(asConfigError("auth.workload.issuers"));
    closers.add("keys of CI systems", opened.stop);
    workloads = opened.verifier;
    lookups.ci_tokens = workloads.lookups;
    passwords.push(workloads);
  }
  const oidc = await openLoginServer(auth, gate, log);
  if (oidc !== undefined) passwords.push(oidc.users);
  if (auth.htpasswd !== undefined) {
    const opened = await openHtpasswd(auth.htpasswd.path, log);
    closers.add("htpasswd", opened.close);
    // Last, because only this verifier is slow to refuse.
    passwords.push(opened.verifier);
    lookups.passwords = opened.verifier.lookups;
  }
  const limitOf: LimitOf = (identity) => services.robots.limitOf(identity) ?? workloads?.limitOf(identity);
  const own = await openOwnTokens(auth, services, limitOf);
  if (own !== undefined) {
    tokens.push(own);
    lookups.own_tokens = own.lookups;
  }
  if (auth.token !== undefined) {
    const opened = await openOutsideTokens(outsideOf(auth.token), (error) =>
      log.error(
        { err: error },
        "the changed keys of the external token issuer cannot be used: the previous ones stay in effect",
      ),
    ).catch(asConfigError("auth.token"));
    closers.add("keys of the outside issuer", opened.stop);
    tokens.push(opened.verifier);
    lookups.outside_tokens = opened.verifier.lookups;
  }
  const { failures, per } = limits.logins;
  const authenticator = new Authenticator({
    passwords,
    tokens,
    failures: {
      burst: failures,
      perSecond: failures / per,
      shared: group && { limits: group.limits, name: "logins" },
    },
  });
  return {
    login: { authenticator, challenge: challengeOf(auth), limitOf, tokens: own, oidc: oidc?.login },
    lookups,
  };
}

/** The modules are loaded only if there is one. */
async function openLoginServer({ oidc }: AuthSettings, gate: Gate, log: Logger) {
  if (oidc === undefined) return undefined;
  const { oidcWarnings, openOidc } = await import("./oidc.js");
  return openOidc(oidc, gate, oidcWarnings(log)).catch(asConfigError("auth.oidc"));
}

async function openOwnTokens(
  { token: outside, tokenservice }: AuthSettings,
  { storage }: Services,
  limitOf: LimitOf,
): Promise<OwnTokens | undefined> {
  const { enabled, service, issuer, lifetime, refreshlifetime, signingkey } = tokenservice;
  // Clients log in at one place only; with an external issuer, that is the issuer.
  if (!enabled || outside !== undefined) return undefined;
  const key = await openSigningKey(signingkey, storage.secrets).catch(
    asConfigError("auth.tokenservice.signingkey"),
  );
  return new OwnTokens({
    key,
    issuer,
    service,
    accessSeconds: lifetime,
    refreshSeconds: refreshlifetime,
    limitOf,
  });
}

function outsideOf({ signingalgorithms, ...token }: NonNullable<AuthSettings["token"]>): OutsideSettings {
  const { issuer, service, jwks, rootcertbundle } = token;
  return { issuer, service, jwks, rootcertbundle, algorithms: signingalgorithms ?? algorithms };
}

/** Path of this server's token endpoint; clients get its absolute URL. */
const tokenPath = "/token";

function challengeOf({ challenge, token, tokenservice, htpasswd }: AuthSettings): ChallengeOptions {
  const basicRealm = htpasswd?.realm ?? "gantry";
  if (token !== undefined)
    return { scheme: "bearer", basicRealm, realm: token.realm, service: token.service };
  if (challenge === "basic" || !tokenservice.enabled) return { scheme: "basic", basicRealm };
  return { scheme: "bearer", basicRealm, realm: tokenPath, service: tokenservice.service };
}
