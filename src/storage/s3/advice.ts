/** What an operator can do about a failure of the store, in the names of the settings. For messages at the start. */
import { noCredentials, S3Failure, unanswered } from "./failure.js";

const permissions = "grant the permissions that docs/cluster.md lists to the credentials";
const region = "set storage.s3.region to the region of the bucket";
const accessKey = "check storage.s3.accesskey, or where AWS's chain finds it";
const endpoint = "check storage.s3.regionendpoint";
const reach = `${endpoint}, and that this machine can reach it`;
const certificate =
  "name the file with the certificate of its authority in the environment variable NODE_EXTRA_CA_CERTS";
const room = "free space in the store, or raise its quota";

/** By the store's own code. */
const byCode: Readonly<Record<string, string>> = {
  SignatureDoesNotMatch: "check storage.s3.secretkey",
  InvalidAccessKeyId: accessKey,
  // versitygw's.
  XAdminUserNotFound: accessKey,
  ExpiredToken: "renew the credentials",
  InvalidToken: "check storage.s3.sessiontoken, or renew the credentials",
  AccessDenied: permissions,
  AllAccessDisabled: permissions,
  NoSuchBucket: "create the bucket, or check storage.s3.bucket",
  AuthorizationHeaderMalformed: region,
  PermanentRedirect: region,
  TemporaryRedirect: "the bucket is new: try again in some minutes",
  RequestTimeTooSkewed: "set the clock of this machine",
  QuotaExceeded: room,
  XMinioStorageFull: room,
  XMinioAdminBucketQuotaExceeded: room,
  [noCredentials]: "set storage.s3.accesskey and storage.s3.secretkey, or let AWS's chain find credentials",
  [unanswered]: reach,
};

/** By the answer's status, if the store gives no code, or one that is not known here. */
const byStatus: Readonly<Record<number, string>> = {
  301: region,
  403: permissions,
  507: room,
};

/** By the code of a failed connection. */
const byConnection: readonly (readonly [RegExp, string])[] = [
  [
    /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG)$/,
    "if the store speaks HTTP, begin storage.s3.regionendpoint with http://",
  ],
  [/^UND_ERR_SOCKET$/, "if the store speaks HTTPS, begin storage.s3.regionendpoint with https://"],
  [/^(CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|ERR_TLS_)/, certificate],
  [/^(ECONN|ENOTFOUND|EAI_|EHOST|ENET|ETIMEDOUT|UND_ERR_(CONNECT|HEADERS)_TIMEOUT)/, reach],
];

/** Returns what to do about a failure, or `undefined` if its message is all that is known. */
export function adviceFor(error: unknown): string | undefined {
  if (!(error instanceof S3Failure)) return undefined;
  const { status, code } = error;
  const known = byCode[code] ?? (status === undefined ? forConnection(error.cause) : byStatus[status]);
  if (known !== undefined || status === undefined) return known;
  // Stores send a code. What sends none is a proxy or another server.
  return code === "" && status < 500 ? `${endpoint}: this is not an answer of an S3 store` : undefined;
}

function forConnection(cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  const code = "code" in cause ? String(cause.code) : "";
  return byConnection.find(([codes]) => codes.test(code))?.[1];
}
