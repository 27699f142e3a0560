/** What the settings of `storage.s3` mean for the driver. Part of the composition root. */
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import type { Config } from "../config/config.js";
import { ConfigError } from "../config/errors.js";
import { describeError } from "../lib/describe-error.js";
import { type CredentialSource, chainedCredentials, fixedCredentials } from "../storage/s3/credentials.js";
import type { S3Limits, S3Place } from "../storage/s3/requests.js";
import { openScratchFile } from "../storage/scratch-file.js";

export type S3Settings = NonNullable<Config["storage"]["s3"]>;

/** Stores that are not Amazon's do not care, but the signature needs a name. */
const defaultRegion = "us-east-1";

/**
 * A store that works answers requests without many bytes within a second, and a busy one within ten. Clients of one that
 * hangs get 503 before they give up themselves, and two attempts are made until then.
 */
const attemptSeconds = 13;
const requestSeconds = 25;

export function s3PlaceOf(settings: S3Settings): S3Place {
  const { bucket, region = defaultRegion, regionendpoint, rootdirectory, skipverify, useragent } = settings;
  const isForeign = regionendpoint !== undefined;
  return {
    endpoint: isForeign ? endpointOf(regionendpoint, settings.secure) : amazonEndpoint(region, settings),
    region,
    bucket,
    // Amazon's certificates do not cover further dots.
    forcePathStyle: settings.forcepathstyle ?? (isForeign || bucket.includes(".")),
    skipVerify: skipverify,
    prefix: rootdirectory === "" ? "" : `${rootdirectory}/`,
    objectHeaders: objectHeadersOf(settings),
    ...(useragent !== undefined && { userAgent: useragent }),
  };
}

export function s3LimitsOf({ connections }: S3Settings): S3Limits {
  return { connections, attemptSeconds, requestSeconds };
}

/** Without keys in the settings, the chain of AWS is asked. */
export function s3CredentialsOf(settings: S3Settings): CredentialSource {
  const [accessKeyId = "", secretAccessKey = "", sessionToken = ""] = [
    settings.accesskey?.reveal(),
    settings.secretkey?.reveal(),
    settings.sessiontoken?.reveal(),
  ];
  if (accessKeyId === "") return chainedCredentials(settings.region ?? defaultRegion);
  return fixedCredentials({
    accessKeyId,
    secretAccessKey,
    ...(sessionToken !== "" && { sessionToken }),
  });
}

/** Returns the absolute path of the folder for parts of uploads. Throws `ConfigError` if no file can be created there. */
export function scratchFolderOf({ scratchdirectory }: S3Settings): string {
  const folder = resolve(scratchdirectory ?? tmpdir());
  try {
    openScratchFile(folder).close();
    return folder;
  } catch (error) {
    const why = describeError(error instanceof Error ? error.cause : error);
    throw new ConfigError(`storage.s3.scratchdirectory: no file can be created in ${folder}: ${why}`);
  }
}

function endpointOf(given: string, secure: boolean): string {
  return /^https?:\/\//i.test(given) ? given : `${secure ? "https" : "http"}://${given}`;
}

function amazonEndpoint(region: string, settings: S3Settings): string {
  const { secure, usedualstack, usefipsendpoint, accelerate } = settings;
  const domain = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const service = accelerate ? "s3-accelerate" : usefipsendpoint ? "s3-fips" : "s3";
  const names = [service, ...(usedualstack ? ["dualstack"] : []), ...(accelerate ? [] : [region]), domain];
  return `${secure ? "https" : "http"}://${names.join(".")}`;
}

function objectHeadersOf({ encrypt, keyid, storageclass, objectacl }: S3Settings): Record<string, string> {
  const headers: Record<string, string> = {};
  if (encrypt) headers["x-amz-server-side-encryption"] = keyid === undefined ? "AES256" : "aws:kms";
  if (encrypt && keyid !== undefined) headers["x-amz-server-side-encryption-aws-kms-key-id"] = keyid;
  if (storageclass !== undefined && storageclass !== "NONE") headers["x-amz-storage-class"] = storageclass;
  if (objectacl !== undefined) headers["x-amz-acl"] = objectacl;
  return headers;
}
