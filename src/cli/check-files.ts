/**
 * Reads the files that settings name as a server would, to report all their errors at once before it starts. Loads a checker
 * only if there is a file for it. Part of the composition root.
 */
import { resolve } from "node:path";
import type { TrustedFiles } from "../auth/tokens/trusted-keys.js";
import type { Config, Effective, Settings } from "../config/config.js";
import { ConfigError, type Origin, type Problem } from "../config/errors.js";
import { readText } from "../config/text-file.js";
import { keyOf } from "../config/tree.js";
import { describeError } from "../lib/describe-error.js";

/** A setting that names a file, and a check of the file's text that throws or rejects if it cannot be used. */
type NamedFile = readonly [
  key: string,
  path: string | undefined,
  use: (text: string, path: string) => unknown,
];

/** Rejects with a `ConfigError` that names all errors in the files. */
export async function checkFiles(settings: Settings): Promise<void> {
  const problems: Problem[] = [];
  for (const [key, path, use] of filesOf(settings.config)) {
    if (path === undefined) continue;
    try {
      await use(await read(path), path);
    } catch (error) {
      const about = { key, origin: originOf(key, settings.effective), value: JSON.stringify(path) };
      // A certificate is checked again with its key; report its errors once.
      const messages = describeError(error)
        .split("\n")
        .filter((message) => problems.every((other) => other.message !== message));
      problems.push(...messages.map((message) => ({ ...about, message })));
    }
  }
  if (problems.length > 0) throw ConfigError.of(problems, settings.notices);
}

function filesOf({ auth, http, tags, redis }: Config): NamedFile[] {
  const { htpasswd, oidc, policy, token, tokenservice, workload } = auth;
  const { certificate, key, clientcas = [] } = http.tls ?? {};
  const certificateOf = async (text: string, path: string) =>
    (await import("../tls/credentials.js")).checkCertificate(path, text);
  const parseTrusted = async (files: TrustedFiles) =>
    (await import("../auth/tokens/trusted-keys.js")).parseTrusted(files);
  const keySet = (jwks: string) => parseTrusted({ jwks });
  return [
    ["http.tls.certificate", certificate, certificateOf],
    ["http.tls.key", key, (text, path) => checkPair(certificate, path, text)],
    ...clientcas.map((path, index): NamedFile => [`http.tls.clientcas.${index}`, path, certificateOf]),
    ["redis.tls.certificate", redis?.tls?.certificate, certificateOf],
    ["redis.tls.key", redis?.tls?.key, (text, path) => checkPair(redis?.tls?.certificate, path, text)],
    ...(["rootcas", "clientcas"] as const).flatMap((list) =>
      (redis?.tls?.[list] ?? []).map(
        (path, index): NamedFile => [`redis.tls.${list}.${index}`, path, certificateOf],
      ),
    ),
    [
      "auth.htpasswd.path",
      htpasswd?.path,
      async (text) => (await import("../auth/htpasswd.js")).parseHtpasswd(text),
    ],
    [
      "auth.policy",
      policy,
      async (text, path) => (await import("../config/access-policy.js")).parseAccessPolicy(text, path),
    ],
    [
      "auth.token.rootcertbundle",
      token?.rootcertbundle,
      (rootCertBundle) => parseTrusted({ rootCertBundle }),
    ],
    ["auth.token.jwks", token?.jwks, keySet],
    [
      "auth.tokenservice.signingkey",
      tokenservice.signingkey,
      async (text) => (await import("../auth/tokens/signing-key.js")).signingKeyOf(text),
    ],
    ...(workload.issuers ?? []).flatMap(({ jwks, ca }, index): NamedFile[] => [
      [`auth.workload.issuers.${index}.jwks`, jwks, keySet],
      [`auth.workload.issuers.${index}.ca`, ca, certificateOf],
    ]),
    ["auth.oidc.ca", oidc?.ca, certificateOf],
    ["auth.oidc.clientsecretfile", oidc?.clientsecretfile, demandContent],
    [
      "tags.policy",
      tags.policy,
      async (text, path) => (await import("../config/tag-policy.js")).parseTagPolicy(text, path),
    ],
  ];
}

function demandContent(text: string, path: string): void {
  if (text.trim() === "") throw new Error(`${path} is empty`);
}

async function checkPair(certificate: string | undefined, key: string, keyText: string): Promise<void> {
  if (certificate === undefined) return;
  const { readCredentials } = await import("../tls/credentials.js");
  const files = { certificate, key, clientCas: [] };
  readCredentials(files, [await read(certificate), keyText]);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "does not exist",
  EACCES: "cannot be read by the current user",
};

async function read(path: string): Promise<string> {
  return readText(path).catch((error: NodeJS.ErrnoException) => {
    const reason = reasons[error.code ?? ""];
    // Show the absolute path: a relative one depends on the working directory, which may be unexpected.
    throw reason === undefined ? error : new Error(`${resolve(path)} ${reason}`);
  });
}

/** Returns the origin of the setting or of the list that contains it. */
function originOf(key: string, effective: readonly Effective[]): Origin {
  const found = effective.find(({ path }) => `${key}.`.startsWith(`${keyOf(path)}.`));
  return found?.origin ?? { from: "default" };
}
