// Settings through the real program: with which settings a server starts, which errors it reports, and what `gantry config`
// says about both.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { parse } from "yaml";
import { issueCertificate } from "../support/certificates.js";
import { gantry } from "../support/command.js";
import { startInside } from "../support/inside.js";
import { ecKeys, jwkSet } from "../support/jwt.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-settings-"));
after(() => rm(folder, { recursive: true, force: true }));

let files = 0;
async function fileOf(text: string): Promise<string> {
  const path = join(folder, `${files++}.yml`);
  await writeFile(path, text);
  return path;
}

/** The settings file in the image of CNCF distribution 2.8. */
const imageSettings = `version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
`;

test("a server starts with the file of CNCF distribution's image and the environment of a CI system", async () => {
  await using server = await startInside({
    REGISTRY_CONFIGURATION_PATH: await fileOf(imageSettings),
    REGISTRY_STORAGE: "filesystem",
    REGISTRY_STORAGE_DELETE_ENABLED: "true",
    REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: "inmemory",
    REGISTRY_HTTP_SECRET: "of no use",
    REGISTRY_LOG_LEVEL: "debug",
    "REGISTRY_HTTP_HEADERS_Access-Control-Allow-Origin": "['*']",
  });
  const { headers } = await fetch(`${server.url}/v2/`);
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.equal(headers.get("access-control-allow-origin"), "*");
  assert.equal(headers.get("docker-distribution-api-version"), "registry/2.0");
  assert.match(server.log(), /http\.secret \(REGISTRY_HTTP_SECRET\): changes nothing/);
  assert.doesNotMatch(server.log(), /of no use/);
});

test("serve takes the file with --config and as a parameter", async () => {
  const file = await fileOf("http: {addr: 127.0.0.1:65536}\n");
  for (const parameters of [
    ["serve", "--config", file],
    ["serve", `--config=${file}`],
    ["serve", file],
  ]) {
    const { code, stdout, stderr } = await gantry(folder, parameters);
    assert.deepEqual([code, stdout], [2, ""], parameters.join(" "));
    assert.ok(
      stderr.startsWith(
        `gantry: these settings are wrong:\nhttp.addr = "127.0.0.1:65536" (${file}:1): expected a port from 0 to 65535`,
      ),
      stderr,
    );
  }
});

for (const [name, text, settings, said] of [
  ["a file that is not YAML", "http: [", {}, /FILE:1: Flow sequence/],
  [
    "a value of the wrong kind in the file",
    "gc:\n  lease: soon\n",
    {},
    /^gc\.lease = "soon" \(FILE:2\): expected a time such as 90s/m,
  ],
  [
    "a value of the wrong kind in a variable",
    "",
    { REGISTRY_UPLOADS_WORKERS: "none" },
    /^uploads\.workers = "none" \(REGISTRY_UPLOADS_WORKERS\): expected a whole number from 1 to 64/m,
  ],
  [
    "a misspelled key",
    "storage: {filesystem: {rootdir: /x}}",
    {},
    /^storage\.filesystem\.rootdir = "\/x" \(FILE:1\): there is no such key/m,
  ],
  [
    "a misspelled variable",
    "",
    { REGISTRY_HTP_ADDR: ":1" },
    /^REGISTRY_HTP_ADDR = ":1": there is no such variable; the nearest is REGISTRY_HTTP_ADDR/m,
  ],
  [
    "a storage that Gantry does not support",
    "",
    { REGISTRY_STORAGE_GCS_BUCKET: "b" },
    /^storage\.gcs \(REGISTRY_STORAGE_GCS_BUCKET\): not supported: Gantry stores data in a local directory or a bucket/m,
  ],
  [
    "a header that would break responses",
    'http: {headers: {X-A: ["a\\r\\nb"]}}',
    {},
    /^http\.headers\.X-A\.0 = "a\\r\\nb" \(FILE:1\): expected printable/m,
  ],
  [
    "a group with a missing key",
    "http: {tls: {certificate: server.pem}}",
    {},
    /^http\.tls\.key \(FILE:1\): is missing$/m,
  ],
  [
    "a value instead of a list",
    "",
    { REGISTRY_HTTP_TRUSTEDPROXIES: "10.0.0.7" },
    /^http\.trustedproxies = "10\.0\.0\.7" \(REGISTRY_HTTP_TRUSTEDPROXIES\): expected a list, such as \[a, b\]$/m,
  ],
  [
    "missing files",
    "auth:\n  htpasswd: {path: users}\n  policy: policy.yaml\ntags: {policy: tags.json}\n",
    {},
    /^auth\.htpasswd\.path = "users" \(FILE:2\): \/.*\/users does not exist\nauth\.policy = "policy\.yaml" \(FILE:3\): .* does not exist\ntags\.policy = "tags\.json" \(FILE:4\): .* does not exist$/m,
  ],
  [
    "a folder instead of a file",
    `auth: {htpasswd: {path: ${folder}}}`,
    {},
    /^auth\.htpasswd\.path = ".*" \(FILE:1\): .* is not a file$/m,
  ],
  [
    "a misspelled key in a policy",
    `auth: {policy: ${await fileOf('rules:\n  - {repositories: "**", user: ann, allow: pull}\n')}}`,
    {},
    /^auth\.policy = ".*" \(FILE:1\): \/.*:2: rules\.0 = .*: there is no key user; the nearest is users$/m,
  ],
  [
    "a retention rule that keeps nothing",
    `tags: {policy: ${await fileOf('{\n  "retention": [{ "tags": "*" }]\n}')}}`,
    {},
    /^tags\.policy = ".*" \(FILE:1\): \/.*:2: retention\.0 = .*: needs keepLast, keepPushedWithin, keepPulledWithin or keepPrevious/m,
  ],
] as const)
  test(`config check reports ${name}, and serve does not start with it`, async () => {
    const file = await fileOf(text);
    for (const command of [["config", "check"], ["serve"]]) {
      const { code, stdout, stderr } = await gantry(
        join(folder, "store"),
        [...command, "--config", file],
        settings,
      );
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr.replaceAll(file, "FILE"), said);
    }
  });

for (const [name, settings, said] of [
  [
    "an address in use",
    async (host: string) => ({ REGISTRY_HTTP_ADDR: host }),
    /^gantry: the server cannot listen on http\.addr: .*address already in use/m,
  ],
  [
    "a debug address in use",
    async (host: string) => ({ REGISTRY_HTTP_ADDR: "127.0.0.1:0", REGISTRY_HTTP_DEBUG_ADDR: host }),
    /^gantry: the server cannot listen on http\.debug\.addr: .*address already in use/m,
  ],
  [
    "an address of another machine",
    async () => ({ REGISTRY_HTTP_ADDR: "192.0.2.1:0" }),
    /^gantry: the server cannot listen on http\.addr: .*address not available 192\.0\.2\.1/m,
  ],
  [
    "a file instead of the store's folder",
    async () => ({ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: await fileOf("x") }),
    /^gantry: the folder \/.* cannot be used as a store: EEXIST/m,
  ],
  [
    "a folder with other content",
    async () => ({ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: dirname(await fileOf("x")) }),
    /^gantry: the folder \/.* cannot be used as a store: it has other content, such as "/m,
  ],
  [
    "a folder that cannot be created",
    async () => ({ REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: "/proc/gantry/store" }),
    /^gantry: the folder \/proc\/gantry\/store cannot be used as a store: ENOENT/m,
  ],
] as const)
  test(`serve reports ${name}, and exits with 1`, async () => {
    await using server = await startInside();
    const { code, stdout, stderr } = await gantry(
      join(folder, "store"),
      ["serve"],
      await settings(server.host),
    );
    assert.deepEqual([code, stdout], [1, ""], stderr);
    assert.match(stderr, said);
  });

test("config check reports everything at once, also as JSON", async () => {
  const file = await fileOf("http: {addr: x, port: 5000}\nreporting: {addr: x}\n");
  const settings = { REGISTRY_GC_LEASE: "x" };
  const { stderr } = await gantry(folder, ["config", "check", "--config", file], settings);
  assert.equal(stderr.trimEnd().split("\n").length, 5, stderr);
  const ran = await gantry(folder, ["config", "check", "--json", "--config", file], settings);
  assert.equal(ran.code, 2);
  const { fine, problems } = ran.json<{ fine: boolean; problems: { key: string; origin: unknown }[] }>();
  assert.equal(fine, false);
  assert.deepEqual(problems.map(({ key }) => key).toSorted(), [
    "gc.lease",
    "http.addr",
    "http.port",
    "reporting",
  ]);
  assert.deepEqual(problems.find(({ key }) => key === "gc.lease")?.origin, {
    from: "variable",
    variable: "REGISTRY_GC_LEASE",
  });
});

test("config check reads the files in the settings, and reports all errors", async () => {
  const place = await mkdtemp(join(folder, "files-"));
  const { publicKey, privateKey } = ecKeys();
  const server = await issueCertificate({ name: "server", addresses: ["127.0.0.1"] });
  const right = {
    certificate: server.pem,
    key: server.keyPem,
    ca: server.pem,
    users: `alice:$2b$04$${"a".repeat(53)}\n`,
    policy: "rules: []",
    signing: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    jwks: jwkSet({ one: publicKey }),
    tags: "{}",
  };
  const other = await issueCertificate({ name: "other" });
  const wrong: typeof right = {
    certificate: server.pem,
    key: other.keyPem,
    ca: "x",
    users: "alice\nbob:$2b$04$short\n",
    policy: "rules: [{allow: fly}]",
    signing: other.pem,
    jwks: "[]",
    tags: '{"immutable": 1, "retention": 2}',
  };
  const check = async (texts: typeof right) => {
    for (const [name, text] of Object.entries(texts)) await writeFile(join(place, name), text);
    const file = await fileOf(`
http: {tls: {certificate: ${place}/certificate, key: ${place}/key, clientcas: [${place}/ca, ${place}/none]}}
auth:
  htpasswd: {path: ${place}/users}
  policy: ${place}/policy
  tokenservice: {signingkey: ${place}/signing}
  workload: {issuers: [{name: ci, issuer: "https://ci.example", audience: gantry, jwks: ${place}/jwks}]}
tags: {policy: ${place}/tags}
`);
    const { stderr } = await gantry(folder, ["config", "check", "--config", file]);
    return stderr.replaceAll(`${file}:`, "line ").replaceAll(`${place}/`, "");
  };
  const absent = `http.tls.clientcas.1 = "none" (line 2): none does not exist`;
  assert.equal(await check(right), `gantry: these settings are wrong:\n${absent}\n`);
  const said = await check(wrong);
  for (const expected of [
    /^http\.tls\.key = "key" \(line 2\): the key in key does not match the certificate in certificate: /m,
    /^http\.tls\.clientcas\.0 = "ca" \(line 2\): ca contains no PEM certificate/m,
    /^auth\.htpasswd\.path = "users" \(line 4\): line 1: expected name:hash\n.*: line 2: bob: not a complete bcrypt hash/m,
    /^auth\.policy = "policy" \(line 5\): policy:1: rules\.0\.repositories: is missing/m,
    /^auth\.policy = .* policy:1: rules\.0\.allow = "fly": expected pull/m,
    /^auth\.tokenservice\.signingkey = "signing" \(line 6\): the signing key must be/m,
    /^auth\.workload\.issuers\.0\.jwks = "jwks" \(line 7\): it is not a JSON Web Key Set/m,
    /^tags\.policy = "tags" \(line 8\): tags:1: immutable = 1: expected a list\n.*: retention = 2: expected a list/m,
  ])
    assert.match(said, expected);
  assert.match(
    await check({ ...right, key: server.pem }),
    /^http\.tls\.key = "key" \(line 2\): key contains no PEM private key$/m,
  );
  assert.ok(said.includes(absent));
  assert.doesNotMatch(said, /http\.tls\.certificate/);
});

test("config check reads the certificates for the engine of a cluster", async () => {
  const file = await fileOf(`
storage: {s3: {bucket: images, region: eu-central-1}}
redis: {addrs: ["127.0.0.1:1"], tls: {rootcas: [${await fileOf("x")}, ${folder}/none.pem]}}
`);
  const { code, stderr } = await gantry(folder, ["config", "check", "--config", file]);
  assert.equal(code, 2);
  assert.match(stderr, /^redis\.tls\.rootcas\.0 = .*:3\): \/.* contains no PEM certificate/m);
  assert.match(stderr, /^redis\.tls\.rootcas\.1 = .*:3\): \/.*none\.pem does not exist$/m);
});

test("a server ignores foreign variables, and lists them like config check", async () => {
  const settings = {
    REGISTRY_UI_PORT: "tcp://10.0.0.7:80",
    REGISTRY_UI_PORT_80_TCP_ADDR: "10.0.0.7",
    REGISTRY_PASSWORD: "hunter2",
  };
  await using server = await startInside(settings);
  await server.stop();
  const checked = await gantry(folder, ["config", "check"], settings);
  assert.equal(checked.code, 0, checked.stderr);
  for (const text of [server.log(), checked.stdout]) {
    assert.match(text, /REGISTRY_UI_PORT: set by Kubernetes for a Service, not a setting: ignored/);
    assert.match(text, /REGISTRY_UI_PORT_80_TCP_ADDR: set by Kubernetes/);
    assert.match(text, /REGISTRY_PASSWORD: ignored: there is no such setting/);
    assert.doesNotMatch(text, /hunter2/);
  }
});

test("config check reports ignored variables even beside other errors", async () => {
  const file = await fileOf("http: {adr: :5000}\n");
  const settings = { REGISTRY_UI_PORT: "tcp://10.0.0.7:80" };
  const { code, stderr } = await gantry(folder, ["config", "check", "--config", file], settings);
  assert.equal(code, 2);
  assert.match(stderr, /^gantry: setting REGISTRY_UI_PORT: set by Kubernetes/m);
  assert.match(stderr, /^http\.adr .*: there is no such key; the nearest is http\.addr$/m);
  const ran = await gantry(folder, ["config", "check", "--json", "--config", file], settings);
  const { problems, notices } = ran.json<Record<"problems" | "notices", { key: string }[]>>();
  assert.deepEqual(
    [problems.map(({ key }) => key), notices.map(({ key }) => key)],
    [["http.adr"], ["REGISTRY_UI_PORT"]],
  );
});

test("config check accepts settings with which a server can start", async () => {
  const settings = await fileOf(imageSettings.replace("http:\n", "http:\n  secret: shared\n"));
  const { code, stdout } = await gantry(folder, ["config", "check", "--config", settings]);
  assert.equal(code, 0);
  assert.match(stdout, /http\.secret .*: changes nothing/);
  const refused = await fileOf("reporting: {bugsnag: {apikey: none}}\n");
  assert.equal((await gantry(folder, ["config", "check", "--config", refused])).code, 2);
  assert.equal(
    (await gantry(folder, ["config", "check", "--ignore-unsupported", "--config", refused])).code,
    0,
  );
});

test("config show prints effective settings and their sources, as settings with the same effect", async () => {
  const file = await fileOf("http:\n  draintimeout: 5s\n  headers: {X-A: [a, b]}\n");
  const settings = { REGISTRY_GC_LEASE: "2h" };
  const shown = await gantry("/data", ["config", "show", "--config", file], settings);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, new RegExp(`draintimeout: 5s # ${file}:2$`, "m"));
  assert.match(shown.stdout, /lease: 2h # REGISTRY_GC_LEASE$/m);
  assert.match(shown.stdout, /addr: 127\.0\.0\.1:5000 # default$/m);
  assert.deepEqual((parse(shown.stdout) as { http: { headers: unknown } }).http.headers, {
    "X-A": ["a", "b"],
  });
  const again = await gantry("/data", ["config", "show", "--json", "--config", await fileOf(shown.stdout)]);
  const first = await gantry("/data", ["config", "show", "--json", "--config", file], settings);
  const valuesOf = (ran: typeof first) =>
    Object.entries(ran.json<Record<string, { value: unknown }>>()).map(([key, { value }]) => [key, value]);
  assert.deepEqual(valuesOf(again), valuesOf(first));
});

test("an unreadable settings file is reported with what to do", async () => {
  const utf16 = await fileOf("");
  await writeFile(utf16, Buffer.from("\ufeffhttp: {addr: :5001}", "utf16le"));
  for (const [file, said] of [
    [join(folder, "absent.yml"), "there is no such file; give the path"],
    [folder, "this is a directory; give the path"],
    [utf16, "the file is not UTF-8 text; save it as UTF-8"],
  ] as const)
    for (const command of [["stats"], ["config", "check"]]) {
      const { code, stderr } = await gantry(folder, [...command, "--config", file]);
      assert.equal(code, 2);
      assert.ok(stderr.includes(`\n${file}: ${said}`), stderr);
    }
  const marked = await fileOf("\ufeffhttp: {addr: :5001}");
  assert.equal(
    (await gantry(folder, ["config", "check", "--config", marked])).code,
    0,
    "UTF-8 with a byte order mark",
  );
});

/** The output at startup in a folder whose path is too long for a socket: one log line, a warning. */
async function warned(settings: Readonly<Record<string, string>>): Promise<string> {
  const root = join(folder, "x".repeat(120));
  await using server = await startInside({ REGISTRY_LOG_FIELDS_SERVICE: "registry", ...settings }, root);
  return server.log();
}

for (const [formatter, expected] of [
  ["json", /^\{"level":40,.*"service":"registry".*"msg":"this server accepts no gantry commands/m],
  [
    "logstash",
    /^\{"level":"warn","@timestamp":"\d{4}-.*"service":"registry".*"message":"this server accepts no gantry/m,
  ],
  ["text", /^\[\d\d:\d\d:\d\d\.\d{3}\] WARN: this server accepts no gantry commands/m],
] as const)
  test(`the log is written as ${formatter}, with the configured fields`, async () => {
    const log = await warned({ REGISTRY_LOG_FORMATTER: formatter });
    assert.match(log, expected);
    assert.match(log, /service"?: ?"registry"/);
  });

test("messages below the level are not logged", async () => {
  assert.match(await warned({ REGISTRY_LOG_LEVEL: "warn" }), /this server accepts no gantry commands/);
  assert.doesNotMatch(
    await warned({ REGISTRY_LOG_LEVEL: "error" }),
    /this server accepts no gantry commands/,
  );
});
