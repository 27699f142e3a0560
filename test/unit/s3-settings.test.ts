// The settings of storage.s3: CNCF distribution's keys, what each means for requests, and which combinations are refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "../../src/config/config.js";
import { ConfigError } from "../../src/config/errors.js";
import { type S3Settings, s3CredentialsOf, s3LimitsOf, s3PlaceOf } from "../../src/server/s3.js";
import { requestSecondsMax } from "../../src/storage/s3/requests.js";

const plain = { bucket: "images", region: "eu-central-1" };

function read(s3: Record<string, string>, more: Record<string, unknown> = {}) {
  const text = JSON.stringify({ storage: { s3, ...more } });
  return readSettings({ variables: {}, file: { name: "config.yml", text } });
}

function settingsOf(s3: Record<string, string>): S3Settings {
  const settings = read({ ...plain, ...s3 }).config.storage.s3;
  assert.ok(settings !== undefined);
  return settings;
}

function said(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message;
  }
  return "";
}

for (const [what, s3, endpoint, forcePathStyle] of [
  ["Amazon", {}, "https://s3.eu-central-1.amazonaws.com", false],
  ["China", { region: "cn-north-1" }, "https://s3.cn-north-1.amazonaws.com.cn", false],
  ["dual stack", { usedualstack: "true" }, "https://s3.dualstack.eu-central-1.amazonaws.com", false],
  ["FIPS", { usefipsendpoint: "true" }, "https://s3-fips.eu-central-1.amazonaws.com", false],
  ["acceleration", { accelerate: "true" }, "https://s3-accelerate.amazonaws.com", false],
  ["a bucket with dots", { bucket: "im.ages" }, "https://s3.eu-central-1.amazonaws.com", true],
  ["a path by request", { forcepathstyle: "true" }, "https://s3.eu-central-1.amazonaws.com", true],
  ["a host and a port", { regionendpoint: "minio:9000" }, "https://minio:9000", true],
  ["plain HTTP", { regionendpoint: "minio:9000", secure: "false" }, "http://minio:9000", true],
  ["a URL", { regionendpoint: "http://10.0.0.1:9000", secure: "true" }, "http://10.0.0.1:9000", true],
  [
    "a bucket in the host's name",
    { regionendpoint: "https://s3.example.com", forcepathstyle: "false" },
    "https://s3.example.com",
    false,
  ],
] as const)
  test(`requests go to ${what}`, () => {
    const place = s3PlaceOf(settingsOf(s3));
    assert.deepEqual([place.endpoint, place.forcePathStyle], [endpoint, forcePathStyle]);
  });

test("empty values of templates count as absent", () => {
  const empty = { region: "", accesskey: "", secretkey: "", keyid: "", useragent: "", rootdirectory: "" };
  const settings = settingsOf({ ...empty, regionendpoint: "minio:9000" });
  assert.deepEqual(s3PlaceOf(settings), {
    endpoint: "https://minio:9000",
    region: "us-east-1",
    bucket: "images",
    forcePathStyle: true,
    skipVerify: false,
    prefix: "",
    objectHeaders: {},
  });
});

test("keys are below the root directory, and objects are encrypted, classed and shared as set", () => {
  const { prefix, objectHeaders, skipVerify, userAgent } = s3PlaceOf(
    settingsOf({
      rootdirectory: "/registry/one/",
      encrypt: "true",
      keyid: "arn:aws:kms:eu-central-1:1:key/2",
      storageclass: "standard_ia",
      objectacl: "bucket-owner-full-control",
      skipverify: "true",
      useragent: "registry",
    }),
  );
  assert.equal(prefix, "registry/one/");
  assert.deepEqual(objectHeaders, {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:1:key/2",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-acl": "bucket-owner-full-control",
  });
  assert.deepEqual([skipVerify, userAgent], [true, "registry"]);
  assert.deepEqual(s3PlaceOf(settingsOf({ encrypt: "true" })).objectHeaders, {
    "x-amz-server-side-encryption": "AES256",
  });
  assert.deepEqual(s3PlaceOf(settingsOf({ storageclass: "NONE" })).objectHeaders, {});
});

test("a client of a store that hangs has an answer within half a minute, after two attempts", () => {
  const limits = s3LimitsOf(settingsOf({}));
  assert.ok(limits.requestSeconds <= 30);
  assert.ok(limits.attemptSeconds < limits.requestSeconds - 5);
  const [small, large] = [0, 512 * 1024 * 1024].map((bytes) => requestSecondsMax(limits, bytes));
  assert.ok((large ?? 0) > (small ?? 0) + 400, "a part has the time that its bytes need");
});

test("keys are taken from the settings, with the token if there is one", async () => {
  const keys = { accesskey: "AKIA", secretkey: "hunter2" };
  const expected = { accessKeyId: "AKIA", secretAccessKey: "hunter2" };
  assert.deepEqual(await s3CredentialsOf(settingsOf(keys)).get(), expected);
  assert.deepEqual(await s3CredentialsOf(settingsOf({ ...keys, sessiontoken: "token" })).get(), {
    ...expected,
    sessionToken: "token",
  });
});

test("keys are never shown", () => {
  const { effective } = read({ ...plain, accesskey: "AKIA", secretkey: "hunter2", sessiontoken: "hunter3" });
  const shown = JSON.stringify(effective);
  assert.doesNotMatch(shown, /AKIA|hunter/);
  assert.equal(effective.filter(({ value }) => value === "(hidden)").length, 3);
});

for (const [what, s3, expected] of [
  ["no bucket", { region: "eu-central-1" }, /storage\.s3\.bucket .*is missing/],
  ["no region", { bucket: "images" }, /storage\.s3\.region .*required unless storage\.s3\.regionendpoint/],
  ["a path for a bucket", { ...plain, bucket: "images/registry" }, /the name of a bucket/],
  ["a key without its secret", { ...plain, accesskey: "AKIA" }, /storage\.s3\.secretkey .*belong together/],
  [
    "a secret without its key",
    { ...plain, secretkey: "hunter2" },
    /storage\.s3\.accesskey .*belong together/,
  ],
  ["a token alone", { ...plain, sessiontoken: "hunter2" }, /belongs to an access key/],
  ["too small chunks", { ...plain, chunksize: "5242879" }, /a whole number from 5242880/],
  ["a login in the endpoint", { ...plain, regionendpoint: "https://a:b@c" }, /without a name and a password/],
  ["a query in the endpoint", { ...plain, regionendpoint: "https://b?x" }, /expected the address of a store/],
  ["another scheme", { ...plain, regionendpoint: "ftp://b" }, /expected the address of a store/],
  ["an odd prefix", { ...plain, rootdirectory: "a/../b" }, /expected a path such as/],
  ["objects that anyone may read", { ...plain, objectacl: "public-read" }, /publish the registry's secrets/],
  [
    "classes that need a restore",
    { ...plain, storageclass: "DEEP_ARCHIVE" },
    /expected one of NONE, STANDARD/,
  ],
  [
    "signatures of version 2",
    { ...plain, v4auth: "false" },
    /storage\.s3\.v4auth .*not supported: .*version 4 only/,
  ],
  ["acceleration elsewhere", { ...plain, regionendpoint: "b", accelerate: "true" }, /for Amazon's endpoints/],
  [
    "acceleration of paths",
    { ...plain, forcepathstyle: "true", accelerate: "true" },
    /bucket in the host name/,
  ],
  ["an unknown key", { ...plain, bukket: "x" }, /there is no such key; the nearest is storage\.s3\.bucket/],
] as const)
  test(`${what} is refused by name`, () => {
    const message = said(() => read(s3));
    assert.match(message, expected);
    assert.doesNotMatch(message, /hunter/);
  });

test("settings of distribution's driver that mean nothing here are accepted with a notice", () => {
  const copies = ["multipartcopychunksize", "multipartcopymaxconcurrency", "multipartcopythresholdsize"];
  const s3 = Object.fromEntries(copies.map((key) => [key, "33554432"]));
  const { notices } = read({ ...plain, ...s3, v4auth: "true", loglevel: "debug", keyid: "key" });
  assert.deepEqual(
    notices.map(({ key }) => key).sort(),
    ["keyid", "loglevel", ...copies].map((key) => `storage.s3.${key}`).sort(),
  );
});

test("the other name of distribution's driver is refused with the name to use", () => {
  const text = "storage: {s3aws: {bucket: b}}";
  const message = said(() => readSettings({ variables: {}, file: { name: "config.yml", text } }));
  assert.match(message, /storage\.s3aws .*use storage\.s3, which has the same keys/);
});

test("a driver without keys is chosen, not ignored", () => {
  for (const text of ["storage: {s3: }", "storage: s3", "storage: {s3: {}}"])
    assert.match(
      said(() => readSettings({ variables: {}, file: { name: "config.yml", text } })),
      /storage\.s3\.bucket .*is missing/,
      text,
    );
});

test("there is one storage: a directory and a bucket in the file are refused", () => {
  const message = said(() => read(plain, { filesystem: { rootdirectory: "/x" } }));
  assert.match(message, /storage\.filesystem .*storage\.s3 is set, too/);
});

test("a bucket replaces the directory that an image sets by a variable, or the whole storage of the file", () => {
  const directory = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: "/var/lib/registry" };
  const bucket = { REGISTRY_STORAGE_S3_BUCKET: "images", REGISTRY_STORAGE_S3_REGION: "eu-central-1" };
  const beside = readSettings({ variables: { ...directory, ...bucket } });
  assert.equal(beside.config.storage.s3?.bucket, "images");
  assert.deepEqual(
    beside.notices.map(({ key, message }) => [key, message]),
    [["storage.filesystem", "changes nothing: storage.s3 is set"]],
  );
  const file = { name: "config.yml", text: "storage: {filesystem: {rootdirectory: /x}}" };
  assert.match(
    said(() => readSettings({ variables: bucket, file })),
    /REGISTRY_STORAGE=s3/,
  );
  const replaced = readSettings({ variables: { ...bucket, REGISTRY_STORAGE: "s3" }, file });
  assert.equal(replaced.config.storage.s3?.bucket, "images");
});

test("redirects are for buckets only", () => {
  const file = { name: "config.yml", text: "storage: {redirect: {disable: true}}" };
  assert.deepEqual(
    readSettings({ variables: {}, file }).notices.map(({ key }) => key),
    ["storage.redirect.disable"],
  );
  assert.equal(read(plain, { redirect: { disable: "true" } }).notices.length, 0);
});
