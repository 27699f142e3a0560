/** `storage.s3`: a bucket of an S3-compatible store, with the keys of CNCF distribution's driver. */
import { z } from "zod";
import { secret } from "./secret.js";
import { group } from "./section.js";
import { flag, integer, text } from "./values.js";

const mebibyte = 1024 * 1024;

/** S3 allows no smaller parts. */
const chunkBytesMin = 5 * mebibyte;
/** An upload has at most 10,000 parts, and each has to be held until it is complete. */
const chunkBytesMax = 1024 * mebibyte;

/** Templates of configurations write an absent value as an empty one. */
const optionalText = z
  .string("expected text")
  .transform((given) => (given === "" ? undefined : given))
  .optional();

const expectedBucket =
  "expected the name of a bucket: 2 to 255 letters, digits, periods, underscores and hyphens, first a letter or digit (at Amazon, 3 to 63 characters)";

const bucket = text.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/, expectedBucket);

const expectedRegion = "expected the name of a region, such as eu-central-1";

const region = z
  .string(expectedRegion)
  .regex(/^[A-Za-z0-9-]{0,64}$/, expectedRegion)
  .transform((given) => (given === "" ? undefined : given))
  .optional();

const expectedEndpoint =
  "expected the address of a store, such as https://s3.example.com or minio:9000, without a name and a password";

/** With the scheme as given, if any: `secure` decides otherwise. */
const regionEndpoint = z.string(expectedEndpoint).transform((given, context) => {
  if (given === "") return undefined;
  const withScheme = /^https?:\/\//i.test(given) ? given : `https://${given}`;
  const parsed = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  const isPlain =
    parsed !== undefined &&
    parsed.hostname !== "" &&
    !/[\s@?#]/.test(given) &&
    (given === withScheme || !given.includes("://"));
  if (isPlain) return given;
  context.addIssue(expectedEndpoint);
  return z.NEVER;
});

const expectedFolder = "expected a path such as registry/production, without . and .. and empty names";

/** Without slashes at its ends. */
const rootDirectory = z.string(expectedFolder).transform((given, context) => {
  const path = given.replace(/^\/|\/$/g, "");
  const isPlain =
    path === "" || path.split("/").every((name) => /^[\w.!*'() -]+$/.test(name) && !/^\.+$/.test(name));
  if (isPlain) return path;
  context.addIssue(expectedFolder);
  return z.NEVER;
});

/** Those from which objects can be read at once. */
const storageClasses = [
  "NONE",
  "STANDARD",
  "REDUCED_REDUNDANCY",
  "STANDARD_IA",
  "ONEZONE_IA",
  "INTELLIGENT_TIERING",
  "OUTPOSTS",
  "GLACIER_IR",
  "EXPRESS_ONEZONE",
] as const;

const expectedClass = `expected one of ${storageClasses.join(", ")}`;

const storageClass = z.string(expectedClass).transform((given, context) => {
  const found = storageClasses.find((known) => known === given.toUpperCase());
  if (found !== undefined) return found;
  context.addIssue(expectedClass);
  return z.NEVER;
});

/** Of S3's canned ACLs, those that let no one else read. */
const objectAcls = ["private", "bucket-owner-read", "bucket-owner-full-control"] as const;
const expectedAcl = `expected ${objectAcls.join(", ")}: any other would publish the registry's secrets, which lie in the bucket, too`;

export const s3 = group({
  bucket: bucket.describe(
    "Name of the bucket, which must exist. Several registries may share it if their `rootdirectory` differs.",
  ),
  region: region.describe(
    "Region of the bucket. Required unless `regionendpoint` is set; then `us-east-1` by default.",
  ),
  regionendpoint: regionEndpoint
    .optional()
    .describe(
      "Address of an S3-compatible store that is not Amazon's: a URL, or `host:port`, for which `secure` decides between HTTPS and HTTP.",
    ),
  forcepathstyle: flag.optional().meta({
    description: "Whether the bucket is part of the path instead of the host name.",
    defaultNote: "`true` with `regionendpoint` or for a bucket with a dot, otherwise `false`",
  }),
  accesskey: secret(z.string("expected an access key"))
    .optional()
    .describe(
      "Access key. Without it, the usual chain of AWS finds credentials: environment, profile, web identity of Kubernetes, metadata of the container or instance.",
    ),
  secretkey: secret(z.string("expected a secret key"))
    .optional()
    .describe("Secret key that belongs to `accesskey`."),
  sessiontoken: secret(z.string("expected a session token"))
    .optional()
    .describe("Session token, if `accesskey` is temporary. Gantry cannot renew it."),
  rootdirectory: rootDirectory.prefault("").describe("Prefix of all keys, without a slash at its ends."),
  secure: flag
    .prefault("true")
    .describe("`false` uses HTTP, which shows content and logins to the network between them."),
  skipverify: flag
    .prefault("false")
    .describe("Accepts any certificate of the store, so that anyone may pretend to be it."),
  chunksize: integer({ min: chunkBytesMin, max: chunkBytesMax })
    .prefault(String(10 * mebibyte))
    .describe(
      "Bytes of a part of a multipart upload, at least 5 MiB. A blob may have 10,000 parts: 10 MiB allow blobs of 97 GiB.",
    ),
  encrypt: flag
    .prefault("false")
    .describe("Asks the store to encrypt each object: with `keyid` by KMS, otherwise by AES-256."),
  keyid: optionalText.describe("ID of the KMS key for `encrypt`."),
  storageclass: storageClass
    .optional()
    .describe("Storage class of new objects. `NONE` names none, for stores that know no classes."),
  objectacl: z
    .enum(objectAcls, expectedAcl)
    .optional()
    .describe("Canned ACL of new objects. Needed only if the bucket belongs to another account."),
  usedualstack: flag.prefault("false").describe("Uses Amazon's endpoints for IPv4 and IPv6."),
  usefipsendpoint: flag.prefault("false").describe("Uses Amazon's endpoints with FIPS 140 cryptography."),
  accelerate: flag
    .prefault("false")
    .describe("Uses S3 Transfer Acceleration, which the bucket must have enabled."),
  useragent: z
    .string("expected text")
    .regex(/^[\x20-\x7e]*$/, "expected printable ASCII characters")
    .transform((given) => (given === "" ? undefined : given))
    .optional()
    .describe("`User-Agent` of requests to the store."),
  connections: integer({ min: 1, max: 1024 })
    .prefault("64")
    .describe("Connections to the store, for each thread. Further requests wait for one."),
  memorymib: integer({ min: 0, max: 65_536 })
    .prefault("64")
    .describe(
      "MiB of memory for parts that are not complete yet, of all uploads. Further ones are in `scratchdirectory`.",
    ),
  scratchdirectory: text.optional().meta({
    description:
      "Folder for temporary files with parts of uploads for which the memory does not suffice. Do not choose a file system in memory.",
    defaultNote: "the system's folder for temporary files",
  }),
}).superRefine((given, context) => {
  const { region: named, regionendpoint, accesskey, secretkey, sessiontoken } = given;
  const miss = (key: string, message: string) => context.addIssue({ code: "custom", path: [key], message });
  if (named === undefined && regionendpoint === undefined)
    miss("region", "required unless storage.s3.regionendpoint is set");
  if (isGiven(accesskey) !== isGiven(secretkey))
    miss(
      isGiven(accesskey) ? "secretkey" : "accesskey",
      "storage.s3.accesskey and storage.s3.secretkey belong together",
    );
  if (isGiven(sessiontoken) && !isGiven(accesskey))
    miss("accesskey", "storage.s3.sessiontoken belongs to an access key");
  if (regionendpoint !== undefined)
    for (const key of ["usedualstack", "usefipsendpoint", "accelerate"] as const)
      if (given[key]) miss(key, "is for Amazon's endpoints: it excludes storage.s3.regionendpoint");
  if (given.accelerate && given.forcepathstyle === true)
    miss("accelerate", "needs the bucket in the host name: it excludes storage.s3.forcepathstyle");
});

/** An empty secret counts as absent, as in CNCF distribution. */
function isGiven(given: { reveal(): string } | undefined): boolean {
  return given !== undefined && given.reveal() !== "";
}
