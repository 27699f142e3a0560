/** Creates the issuers and verifiers of tokens from the settings and their files. Part of the composition root. */
import type { KeySource } from "../auth/tokens/jwt.js";
import { OutsideTokens } from "../auth/tokens/outside-tokens.js";
import { keptSigningKey, type SigningKey, signingKeyOf } from "../auth/tokens/signing-key.js";
import { parseTrusted, TrustedKeys } from "../auth/tokens/trusted-keys.js";
import { RemoteKeys } from "../auth/workload/remote-keys.js";
import { Workloads } from "../auth/workload/workloads.js";
import { type Following, followFiles } from "../config/followed-files.js";
import { readText } from "../config/text-file.js";
import type { WorkloadIssuerSettings } from "../config/workload.js";
import type { SecretStore } from "../storage/storage.js";

/** Returns the key in the file at `path`, or by default the storage's own. */
export async function openSigningKey(path: string | undefined, secrets: SecretStore): Promise<SigningKey> {
  return path === undefined ? keptSigningKey(secrets) : signingKeyOf(await readText(path));
}

/** A value that depends on followed files. */
export interface Opened<T> {
  readonly verifier: T;
  stop(): Promise<void>;
}

export interface OutsideSettings {
  readonly issuer: string;
  readonly service: string;
  readonly algorithms: readonly string[];
  /** Paths, of which at least one is present. */
  readonly jwks: string | undefined;
  readonly rootcertbundle: string | undefined;
}

/** Rejects if a file cannot be used. Calls `onBroken` if a later change of a file cannot be used. */
export async function openOutsideTokens(
  settings: OutsideSettings,
  onBroken: (error: unknown) => void,
): Promise<Opened<OutsideTokens>> {
  const { keys, following } = await followKeys(settings, onBroken);
  return { verifier: new OutsideTokens({ ...settings, keys }), stop: () => following.stop() };
}

export interface WorkloadCallbacks {
  /** Called with the reason when a token of a known issuer is refused. */
  readonly onRefused: (issuer: string, reason: string) => void;
  /** Called if keys cannot be fetched, or if a changed file cannot be used. */
  readonly onBroken: (error: unknown) => void;
}

/** Rejects if a file cannot be used. Remote keys are fetched when the first token arrives. */
export async function openWorkloads(
  issuers: readonly WorkloadIssuerSettings[],
  { onRefused, onBroken }: WorkloadCallbacks,
): Promise<Opened<Workloads>> {
  const followed: Following[] = [];
  const stop = async () => {
    await Promise.all(followed.map((following) => following.stop()));
  };
  try {
    const opened = [];
    for (const { jwks, jwksuri, ca, ...rest } of issuers) {
      let keys: KeySource;
      if (jwks === undefined) {
        const pem = ca === undefined ? undefined : await readText(ca);
        keys = new RemoteKeys({ issuer: rest.issuer, jwksUri: jwksuri, ca: pem, onError: onBroken });
      } else {
        const ofFile = await followKeys({ jwks, rootcertbundle: undefined }, onBroken);
        followed.push(ofFile.following);
        keys = ofFile.keys;
      }
      opened.push({ ...rest, keys });
    }
    return { verifier: new Workloads({ issuers: opened, onRefused }), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function followKeys(
  { jwks, rootcertbundle }: Pick<OutsideSettings, "jwks" | "rootcertbundle">,
  onBroken: (error: unknown) => void,
): Promise<{ keys: KeySource; following: Following }> {
  const paths = [jwks, rootcertbundle].filter((path) => path !== undefined);
  let keys: TrustedKeys | undefined;
  const following = await followFiles(paths, {
    take: async (texts) => {
      const choice = await parseTrusted({
        jwks: jwks === undefined ? undefined : texts[0],
        rootCertBundle: rootcertbundle === undefined ? undefined : texts.at(-1),
      }).catch((cause: unknown) => {
        throw new Error(`the keys in ${paths.join(" and ")} cannot be used`, { cause });
      });
      if (keys === undefined) keys = new TrustedKeys(choice);
      else keys.replace(choice);
    },
    onBroken,
  });
  if (keys === undefined) throw new Error("invariant broken: the files were not taken over");
  return { keys, following };
}
