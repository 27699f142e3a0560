/**
 * Reads the files that settings name as a server would, so that all that is wrong with them can be told at once, and
 * before it starts. What a file is checked by is loaded where there is such a file. Part of the composition root.
 */
import { resolve } from "node:path";
import type { TrustedFiles } from "../auth/tokens/trusted-keys.js";
import type { Config, Effective, Settings } from "../config/config.js";
import { ConfigError, type Origin, type Problem } from "../config/errors.js";
import { readText } from "../config/followed-files.js";
import { keyOf } from "../config/tree.js";
import { describeError } from "../lib/describe-error.js";

/** A setting that names a file, and what becomes of its text; throws or rejects where it cannot be used. */
type NamedFile = readonly [
  key: string,
  path: string | undefined,
  use: (text: string, path: string) => unknown,
];

/** Rejects with `ConfigError`, which names all that keeps a server from using them. */
export async function checkFiles({ config, effective, notices }: Settings): Promise<void> {
  const problems: Problem[] = [];
  for (const [key, path, use] of filesOf(config)) {
    if (path === undefined) continue;
    try {
      await use(await read(path), path);
    } catch (error) {
      const about = { key, origin: originOf(key, effective), value: JSON.stringify(path) };
      // A certificate is looked at once more with its key.
      const messages = describeError(error)
        .split("\n")
        .filter((message) => problems.every((other) => other.message !== message));
      problems.push(...messages.map((message) => ({ ...about, message })));
    }
  }
  if (problems.length > 0) throw ConfigError.of(problems, notices);
}

function filesOf({ auth, http, tags }: Config): NamedFile[] {
  const { htpasswd, policy, token, tokenservice, workload } = auth;
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
    [
      "tags.policy",
      tags.policy,
      async (text, path) => (await import("../config/tag-policy.js")).parseTagPolicy(text, path),
    ],
  ];
}

async function checkPair(certificate: string | undefined, key: string, keyText: string): Promise<void> {
  if (certificate === undefined) return;
  const { readCredentials } = await import("../tls/credentials.js");
  const files = { certificate, key, clientCas: [] };
  readCredentials(files, [await read(certificate), keyText]);
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "is not there",
  EACCES: "may not be read by the user who runs this",
};

async function read(path: string): Promise<string> {
  return readText(path).catch((error: NodeJS.ErrnoException) => {
    const reason = reasons[error.code ?? ""];
    // A path is relative to where the server is started, which is not always where one thinks.
    throw reason === undefined ? error : new Error(`${resolve(path)} ${reason}`);
  });
}

/** Of the setting, or of the list that it is in. */
function originOf(key: string, effective: readonly Effective[]): Origin {
  const found = effective.find(({ path }) => `${key}.`.startsWith(`${keyOf(path)}.`));
  return found?.origin ?? { from: "default" };
}
