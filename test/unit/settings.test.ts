import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { readSettings } from "../../src/config/config.js";
import { rules } from "../../src/config/distribution.js";
import { variableOf } from "../../src/config/environment.js";
import { ConfigError } from "../../src/config/errors.js";
import { keysOf, shown } from "../../src/config/keys.js";
import { schema } from "../../src/config/schema.js";
import { Secret, secret } from "../../src/config/secret.js";
import { group, section } from "../../src/config/section.js";
import { durationSeconds, list, record, text } from "../../src/config/values.js";
import { memoryWarning, processesOf } from "../../src/server/processes/shares.js";

function read(text: string, variables: Record<string, string> = {}, ignoreUnsupported?: boolean) {
  return readSettings({ variables, file: { name: "config.yml", text }, ignoreUnsupported });
}

/** Errors in settings. */
function said(text: string, variables: Record<string, string> = {}): string[] {
  try {
    read(text, variables);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.message.split("\n");
  }
  return [];
}

test("unset keys have their defaults", () => {
  const { config } = readSettings({ variables: {} });
  assert.deepEqual(config.http, {
    addr: { host: "127.0.0.1", port: 5000 },
    draintimeout: 30,
    headers: { "X-Content-Type-Options": ["nosniff"] },
    keepalive: true,
    relativeurls: true,
    trustedproxies: [],
    debug: { prometheus: { enabled: false, path: "/metrics" } },
    metrics: { enabled: false, repositories: 0 },
    ui: { enabled: "auto", session: 43_200 },
  });
  assert.deepEqual(config.storage.maintenance.uploadpurging, {
    enabled: true,
    age: 604_800,
    interval: 86_400,
  });
  assert.equal(config.gc.untagged, undefined);
  assert.deepEqual(read("").config, config);
  assert.deepEqual(read("http:\nstorage:\n  filesystem:\n").config, config, "a group without values");
});

test("a quarter of the cores are processes, if there are eight or more", () => {
  const { config } = readSettings({ variables: {} });
  const cores = [1, 4, 7, 8, 16, 64, 1000];
  assert.deepEqual(
    cores.map((count) => processesOf(config, count, 2 ** 40)),
    [1, 1, 1, 2, 4, 16, 64],
  );
  const three = readSettings({ variables: { REGISTRY_HTTP_PROCESSES: "3" } });
  assert.equal(processesOf(three.config, 64, 2 ** 29), 3);
});

test("each process has 500 MB by default, and fewer cause a warning", () => {
  const { config } = readSettings({ variables: {} });
  const memory = [256e6, 2 ** 29, 1e9, 2e9, 64e9];
  assert.deepEqual(
    memory.map((bytes) => processesOf(config, 64, bytes)),
    [1, 1, 2, 4, 16],
  );
  assert.equal(memoryWarning(1, 256e6), undefined);
  assert.equal(memoryWarning(2, 1e9), undefined);
  assert.match(memoryWarning(2, 2 ** 29) ?? "", /^2 processes share 536 MB .* lower http\.processes/);
});

test("a file sets keys, and variables override it", () => {
  const text =
    "version: 0.1\nhttp:\n  addr: :5001\n  draintimeout: 90s\nlog: {fields: {service: registry, node: a}}\n";
  const { config, effective } = read(text, {
    REGISTRY_HTTP_ADDR: "localhost:5002",
    REGISTRY_LOG_FIELDS_NODE: "b",
    REGISTRY_UPLOADS_WORKERS: "3",
  });
  assert.deepEqual(config.http.addr, { host: "localhost", port: 5002 });
  assert.equal(config.http.draintimeout, 90);
  assert.deepEqual(config.log.fields, { service: "registry", node: "b" });
  const origins = Object.fromEntries(
    effective.map(({ path, value, origin }) => [path.join("."), { value, origin }]),
  );
  assert.deepEqual(origins["http.addr"], {
    value: "localhost:5002",
    origin: { from: "variable", variable: "REGISTRY_HTTP_ADDR" },
  });
  assert.deepEqual(origins["http.draintimeout"], {
    value: "90s",
    origin: { from: "file", file: "config.yml", line: 4 },
  });
  assert.deepEqual(origins["gc.lease"], { value: "6h", origin: { from: "default" } });
});

test("a variable may set a group as YAML or JSON", () => {
  for (const value of ['{"age":"1h","interval":"2h"}', "age: 1h\ninterval: 2h"]) {
    const { config } = readSettings({ variables: { REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING: value } });
    assert.deepEqual(config.storage.maintenance.uploadpurging, { enabled: true, age: 3600, interval: 7200 });
  }
});

test("the variable for a key overrides the one for its group", () => {
  const variables = { REGISTRY_LOG: "{level: error}", REGISTRY_LOG_LEVEL: "debug" };
  assert.equal(readSettings({ variables }).config.log.level, "debug");
});

test("every key and every rule has a variable of its own", () => {
  const variables = [
    ...keysOf(schema).map(({ path }) => path),
    ...Object.keys(rules).map((key) => key.split(".")),
  ].map(variableOf);
  assert.equal(new Set(variables).size, variables.length);
  for (const { path, description } of keysOf(schema)) {
    assert.ok(
      path.every((name) => /^(?:[a-z0-9]+|\*|<name>)$/.test(name)),
      path.join("."),
    );
    assert.notEqual(description, "", `${path.join(".")} has a description`);
  }
});

test("no rule for distribution's keys hides a key of Gantry", () => {
  for (const { path } of keysOf(schema))
    for (let length = 1; length <= path.length; length++)
      assert.ok(!Object.hasOwn(rules, path.slice(0, length).join(".")), path.join("."));
});

for (const [name, text, variables, expected] of [
  ...["0s", "1ms", "999ms"].map(
    (time) =>
      [
        `a checkpoint every ${time}`,
        "",
        { REGISTRY_STORAGE_FILESYSTEM_CHECKPOINT: time },
        `storage.filesystem.checkpoint = "${time}" (REGISTRY_STORAGE_FILESYSTEM_CHECKPOINT): expected a time of at least 1s`,
      ] as const,
  ),
  [
    "a value that is not a boolean",
    "storage:\n  delete:\n    enabled: maybe",
    {},
    'storage.delete.enabled = "maybe" (config.yml:3): expected true or false',
  ],
  [
    "a time without a unit",
    "",
    { REGISTRY_GC_LEASE: "10" },
    'gc.lease = "10" (REGISTRY_GC_LEASE): expected a time such as 90s, 5m, 168h or 30d',
  ],
  [
    "a number out of bounds",
    "uploads: {memorymib: 1}",
    {},
    'uploads.memorymib = "1" (config.yml:1): expected a whole number from 8 to 65536',
  ],
  [
    "an unknown choice",
    "log:\n  level: loud",
    {},
    'log.level = "loud" (config.yml:2): expected error, warn, info or debug',
  ],
  [
    "an address without a port",
    "http: {addr: localhost}",
    {},
    'http.addr = "localhost" (config.yml:1): expected host:port, such as 127.0.0.1:5000, [::1]:5000 or :5000 for all interfaces',
  ],
  [
    "text instead of a group",
    "uploads: 3",
    {},
    'uploads = "3" (config.yml:1): expected a group of keys with values',
  ],
  [
    "a group instead of text",
    "http:\n  addr:\n    host: x",
    {},
    'http.addr = {"host":"x"} (config.yml:2): expected host:port, such as 127.0.0.1:5000, [::1]:5000 or :5000 for all interfaces',
  ],
  [
    "a list instead of a group",
    "http: [a]",
    {},
    'http = ["a"] (config.yml:1): expected a group of keys with values',
  ],
  [
    "a key misspelled",
    "storage:\n  filesystem:\n    rootdirektory: /x",
    {},
    'storage.filesystem.rootdirektory = "/x" (config.yml:3): there is no such key; the nearest is storage.filesystem.rootdirectory',
  ],
  [
    "a group misspelled",
    "stroage:\n  delete: {enabled: true}",
    {},
    "stroage (config.yml:1): there is no such key; the nearest is storage",
  ],
  [
    "a misplaced key",
    "delete:\n  enabled: true",
    {},
    "delete (config.yml:1): there is no such key; the nearest is storage.delete",
  ],
  ["a short key like no other", "foo: 1", {}, 'foo = "1" (config.yml:1): there is no such key'],
  [
    "an address for two servers",
    "http: {addr: ':5000', debug: {addr: '127.0.0.1:5000'}}",
    {},
    'http.debug.addr = "127.0.0.1:5000" (config.yml:1): http.addr has this port, too',
  ],
  [
    "a bucket with a short name",
    "storage: {s3: {bucket: x, region: eu-central-1}}",
    {},
    'storage.s3.bucket = "x" (config.yml:1): expected the name of a bucket: 2 to 255 letters',
  ],
  ["a key like no other", "frobnicate: 1", {}, 'frobnicate = "1" (config.yml:1): there is no such key'],
  [
    "a variable misspelled",
    "",
    { REGISTRY_STORAGE_DELETE_ENABLE: "false" },
    'REGISTRY_STORAGE_DELETE_ENABLE = "false": there is no such variable; the nearest is REGISTRY_STORAGE_DELETE_ENABLED',
  ],
  [
    "a variable below a value",
    "",
    { REGISTRY_HTTP_ADDR_HOST: "x" },
    'REGISTRY_HTTP_ADDR_HOST = "x": there is no such variable; the nearest is REGISTRY_HTTP_ADDR',
  ],
  [
    "an unknown name that may be a secret",
    "http: {pasword-token: abc}",
    {},
    "http.pasword-token = (hidden) (config.yml:1): there is no such key",
  ],
  ["another version", "version: 0.2", {}, 'version = "0.2" (config.yml:1): expected 0.1'],
  ["a key twice", "http: {}\nhttp: {}", {}, "config.yml:2: Map keys must be unique"],
  ["no keys", "just text", {}, "config.yml: expected keys with values, such as `http: { addr: :5000 }`"],
  [
    "a variable that is not YAML",
    "",
    { REGISTRY_LOG: "{level: [" },
    "log (REGISTRY_LOG): not YAML or JSON: ",
  ],
  [
    "another storage",
    "storage:\n  gcs:\n    bucket: b",
    {},
    "storage.gcs (config.yml:2): not supported: Gantry stores data in a local directory or a bucket: set storage.filesystem or storage.s3; ",
  ],
  ["an unset storage", "storage:\n  inmemory:", {}, "storage.inmemory (config.yml:2): not supported: "],
  [
    "another storage by name",
    "",
    { REGISTRY_STORAGE: "azure" },
    "storage.azure (REGISTRY_STORAGE): not supported: ",
  ],
  [
    "another storage by its key",
    "",
    { REGISTRY_STORAGE_OSS_BUCKET: "b" },
    "storage.oss (REGISTRY_STORAGE_OSS_BUCKET): not supported: ",
  ],
  [
    "a cache elsewhere",
    "storage: {cache: {blobdescriptor: redis}}",
    {},
    'storage.cache.blobdescriptor = "redis" (config.yml:1): not supported: Gantry caches in its own memory',
  ],
  [
    "an unknown key in a group of distribution",
    "http: {http2: {disable: true}}",
    {},
    'http.http2.disable = "true" (config.yml:1): there is no such key; the nearest is http.http2.disabled',
  ],
] as const)
  test(`${name} is reported`, () => {
    const lines = said(text, variables);
    assert.equal(lines[0]?.slice(0, expected.length), expected, lines.join("\n"));
  });

test("nothing is suggested for a name that shares less than half with any other", () => {
  for (const name of ["a", "foo", "xyz"]) assert.ok(!said(`${name}: 1`).join().includes("nearest"), name);
  assert.match(said("htpp: 1").join(), /the nearest is http$/);
});

test("a second address may have another host, or any port", () => {
  const with2 = (addr: string, second: string) => `http: {addr: '${addr}', debug: {addr: '${second}'}}`;
  for (const text of [with2("127.0.0.1:5000", "127.0.0.2:5000"), with2("127.0.0.1:0", "127.0.0.1:0")])
    assert.doesNotThrow(() => readSettings({ variables: {}, file: { name: "config.yml", text } }));
});

test("all errors of file and environment are reported at once", () => {
  const text = "http:\n  addr: x\n  port: 5000\nreporting: {addr: x}\ngc: {lease: x}";
  const lines = said(text, { REGISTRY_UPLOADS_WORKERS: "none", REGISTRY_AUTH_FROB: "1" });
  assert.equal(lines.length, 6, lines.join("\n"));
});

test("unsupported settings are ignored on request, and reported", () => {
  const text =
    "storage:\n  gcs: {bucket: b}\n  delete: {enabled: false}\nreporting: {addr: x}\nredis: {addrs: ['x:1']}\n";
  for (const { config, notices } of [
    read(text, {}, true),
    read(text, { REGISTRY_IGNOREUNSUPPORTED: "true" }),
  ]) {
    assert.equal(config.storage.delete.enabled, false);
    assert.deepEqual(
      notices.map(({ key }) => key),
      ["storage.gcs", "reporting", "redis"],
    );
  }
  assert.match(said("ignoreunsupported: true\nfrob: 1")[0] ?? "", /frob/, "but not unknown ones");
});

test("settings whose absence would open a registry are never ignored", () => {
  for (const [key, value] of [
    ["auth", "silly"],
    ["storage", "{maintenance: {readonly: {enabled: true}}}"],
  ] as const)
    assert.match(
      said(`ignoreunsupported: true\n${key}: ${value}`).join("\n"),
      /not supported: [^.]*$/,
      "and no workaround is suggested",
    );
});

test("harmless settings are accepted, and reported if they have no effect", () => {
  const { notices } = read(
    "storage: {cache: {blobdescriptor: inmemory}, maintenance: {readonly: {enabled: false}}}",
    { REGISTRY_HTTP_SECRET: "abc", REGISTRY_STORAGE: "filesystem" },
  );
  assert.deepEqual(notices, [
    {
      key: "http.secret",
      origin: { from: "variable", variable: "REGISTRY_HTTP_SECRET" },
      message: "changes nothing: Gantry keeps upload state on the server, so there is nothing to sign",
    },
  ]);
});

/** The variables that Kubernetes sets for a Service with one named port. */
function linksOf(service: string, port = "5000"): Record<string, string> {
  const name = service.toUpperCase().replaceAll("-", "_");
  const url = `tcp://10.0.0.1:${port}`;
  return {
    [`${name}_SERVICE_HOST`]: "10.0.0.1",
    [`${name}_SERVICE_PORT`]: port,
    [`${name}_SERVICE_PORT_HTTP`]: port,
    [`${name}_PORT`]: url,
    [`${name}_PORT_${port}_TCP`]: url,
    [`${name}_PORT_${port}_TCP_PROTO`]: "tcp",
    [`${name}_PORT_${port}_TCP_PORT`]: port,
    [`${name}_PORT_${port}_TCP_ADDR`]: "10.0.0.1",
  };
}

for (const service of [
  "registry",
  "registry-ui",
  // These start like a group, a group with free names, a key, and an unsupported setting.
  "registry-http",
  "registry-log-fields",
  "registry-auth",
  "registry-storage-delete-enabled",
  "registry-redis",
  "registry-proxy",
  "registry-http-headers",
])
  test(`the variables that Kubernetes sets for a Service ${service} set nothing, and each is reported`, () => {
    const variables = linksOf(service);
    const { config, notices } = readSettings({ variables });
    assert.deepEqual(config, readSettings({ variables: {} }).config);
    assert.deepEqual(notices.map(({ key }) => key).toSorted(), Object.keys(variables).toSorted());
    for (const { message } of notices)
      assert.match(message, /^set by Kubernetes for a Service, not a setting/);
  });

test("the variable in which podman and skopeo look for logins is no setting", () => {
  const { config, notices } = readSettings({ variables: { REGISTRY_AUTH_FILE: "/run/auth.json" } });
  assert.deepEqual(config, readSettings({ variables: {} }).config);
  assert.deepEqual(
    notices.map(({ key, message }) => [key, message]),
    [["REGISTRY_AUTH_FILE", "ignored: podman, skopeo and buildah keep their logins there"]],
  );
});

test("a Service in an IPv6 network sets nothing either", () => {
  const variables = {
    REGISTRY_UI_SERVICE_HOST: "fd00::1",
    REGISTRY_UI_PORT: "tcp://[fd00::1]:80",
    REGISTRY_UI_PORT_53_UDP: "udp://[fd00::1]:53",
  };
  assert.equal(readSettings({ variables }).notices.length, 3);
});

test("such a variable with another value is a setting", () => {
  const { config, notices } = readSettings({ variables: { REGISTRY_LOG_FIELDS_PORT: "5000" } });
  assert.deepEqual([config.log.fields, notices], [{ port: "5000" }, []]);
});

test("foreign variables are ignored and reported without their values", () => {
  const variables = {
    REGISTRY_HOST: "registry.example",
    REGISTRY_IMAGE: "team/app",
    REGISTRY_PORT: "5000",
    REGISTRY_TOKEN: "hunter2",
    REGISTRY_USER: "ci",
    REGISTRY_PASSWORD: "hunter2",
    REGISTRY_URL: "https://registry.example",
    REGISTRY_FROB: "1",
  };
  const { notices } = readSettings({ variables });
  assert.deepEqual(
    notices.map(({ key, message }) => [key, message]),
    Object.keys(variables)
      .toSorted()
      .map((name) => [name, "ignored: there is no such setting"]),
  );
  assert.doesNotMatch(JSON.stringify(notices), /hunter2/);
});

for (const variable of [
  "REGISTRY_AUTH_HTPASSWD_FILE_WITH_ALL_USERS",
  "REGISTRY_AUTH_HTPASSWD_PAHT",
  "REGISTRY_AUHT_HTPASSWD_PATH",
  "REGISTRY_HTTP_TLS_PRIVATE_KEY_FILE",
  "REGISTRY_LIMITS_SOMETHING_ELSE_ENTIRELY",
  "REGISTRY_AUDIT_DESTINATION_OF_LINES",
  "REGISTRY_STORAGE_S3_CUSTOMER_KEY_FOR_OBJECTS",
])
  test(`an unknown ${variable}, without which a server may be more open, is an error`, () => {
    assert.match(said("", { [variable]: "x" })[0] ?? "none", /: there is no such variable/);
  });

const webhook = `notifications:
  events: {includereferences: true}
  endpoints:
    - name: scanner
      url: https://robot:pass@scanner.example.com/hook?key=query
      headers: {Authorization: [Bearer abc], X-Two: [a, b]}
      timeout: 500ms
      threshold: 5
      backoff: 2s
      ignoredmediatypes: [text/plain]
      ignore: {mediatypes: [application/octet-stream], actions: [pull, mount]}
`;

test("webhooks are parsed like CNCF distribution's, and their secrets stay hidden", () => {
  const { config, effective } = read(webhook);
  const { endpoints, events } = config.notifications;
  assert.deepEqual(events, { includereferences: true, mediatype: "v2" });
  const [{ url, headers, ...rest } = assert.fail("no endpoint")] = endpoints;
  assert.equal(url.reveal(), "https://robot:pass@scanner.example.com/hook?key=query");
  assert.deepEqual(
    headers.Authorization?.map((value) => value.reveal()),
    ["Bearer abc"],
  );
  assert.deepEqual(
    headers["X-Two"]?.map((value) => value.reveal()),
    ["a", "b"],
  );
  assert.deepEqual(rest, {
    name: "scanner",
    disabled: false,
    timeout: 0.5,
    threshold: 5,
    backoff: 2,
    ignoredmediatypes: ["text/plain"],
    ignore: { mediatypes: ["application/octet-stream"], actions: ["pull", "mount"] },
    queue: { events: 10_000, mib: 16 },
  });
  assert.deepEqual(effective.find(({ path }) => path.join(".") === "notifications.endpoints")?.value, [
    {
      name: "scanner",
      url: "(hidden)",
      headers: "(hidden)",
      timeout: "500ms",
      threshold: "5",
      backoff: "2s",
      ignoredmediatypes: ["text/plain"],
      ignore: { mediatypes: ["application/octet-stream"], actions: ["pull", "mount"] },
    },
  ]);
  assert.doesNotMatch(inspect(config.notifications, { depth: null }), /robot|pass@|query|abc/);
});

test("variables set webhooks by index, overriding the file", () => {
  const { config } = read(webhook, {
    REGISTRY_NOTIFICATIONS_ENDPOINTS_0_TIMEOUT: "3s",
    REGISTRY_NOTIFICATIONS_ENDPOINTS_0_HEADERS_AUTHORIZATION: "[Bearer def]",
    REGISTRY_NOTIFICATIONS_ENDPOINTS_0_IGNORE_ACTIONS_0: "delete",
    REGISTRY_NOTIFICATIONS_ENDPOINTS_1_NAME: "second",
    REGISTRY_NOTIFICATIONS_ENDPOINTS_1_URL: "http://127.0.0.1:8080",
  });
  const [first, second] = config.notifications.endpoints;
  assert.equal(first?.timeout, 3);
  assert.deepEqual(
    first.headers.Authorization?.map((value) => value.reveal()),
    ["Bearer def"],
  );
  assert.deepEqual(first.ignore.actions, ["delete", "mount"]);
  assert.deepEqual([second?.name, second?.url.reveal()], ["second", "http://127.0.0.1:8080"]);
  assert.deepEqual([second?.timeout, second?.threshold, second?.backoff], [1, 10, 1]);
});

for (const [what, wrong, expected] of [
  [
    "a URL with another scheme",
    "{name: a, url: 'ftp://u:secret@x'}",
    '0.url = "(hidden)" (config.yml:1): expected an http:// or https:// URL',
  ],
  ["no name", "{url: 'http://x'}", "0.name (config.yml:1): is missing"],
  [
    "a header that is not a list",
    "{name: a, url: 'http://x', headers: {Authorization: secret}}",
    '0.headers.Authorization = "(hidden)" (config.yml:1): expected a list',
  ],
  [
    "invalid headers",
    "{name: a, url: 'http://x', headers: secret}",
    '0.headers = "(hidden)" (config.yml:1): expected names of headers, each with a list of values',
  ],
  [
    "a header with a line break",
    "{name: a, url: 'http://x', headers: {A: [\"secret\\nB: c\"]}}",
    '0.headers.A.0 = "(hidden)" (config.yml:1): expected printable ASCII text',
  ],
  [
    "a framing header",
    "{name: a, url: 'http://x', headers: {Content-Length: ['1']}}",
    '0.headers.Content-Length = "(hidden)" (config.yml:1): expected a header that Gantry does not set itself',
  ],
  [
    "a timeout of zero",
    "{name: a, url: 'http://x', timeout: 0s}",
    '0.timeout = "0s" (config.yml:1): expected a time of up to 1h, and not 0s',
  ],
  [
    "an unknown action",
    "{name: a, url: 'http://x', ignore: {actions: [tag]}}",
    '0.ignore.actions.0 = "tag" (config.yml:1): expected pull, push, mount or delete',
  ],
  [
    "a key misspelled",
    "{name: a, url: 'http://x', treshold: 3}",
    '0.treshold = "3" (config.yml:1): there is no such key; the nearest is notifications.endpoints.*.threshold',
  ],
  [
    "a misspelled group of secrets",
    "{name: a, url: 'http://x', header: secret}",
    "0.header = (hidden) (config.yml:1): there is no such key; the nearest is notifications.endpoints.*.headers",
  ],
  [
    "a name twice",
    "{name: a, url: 'http://x'}, {name: a, url: 'http://y'}",
    ' = [{"name":"a","url":"(hidden)"},{"name":"a","url":"(hidden)"}] (config.yml:1): two endpoints have the same name',
  ],
] as const)
  test(`${what} of a webhook is reported without secrets`, () => {
    const lines = said(`notifications: {endpoints: [${wrong}]}`);
    const start = `notifications.endpoints${expected.startsWith("0") ? "." : ""}${expected}`;
    assert.equal(lines[0]?.slice(0, start.length), start, lines.join("\n"));
    assert.doesNotMatch(lines.join("\n"), /secret/);
  });

test("aliases are followed, and one that contains itself ends", () => {
  assert.equal(read("http: {draintimeout: &time 90s}\ngc: {lease: *time}").config.gc.lease, 90);
  const why = "the alias *a refers to a value that contains it; write the value out";
  assert.deepEqual(said("http: &a {headers: *a}\n"), [`config.yml:1: ${why}`]);
  assert.deepEqual(said("notifications:\n  endpoints: &a [*a]\n"), [`config.yml:2: ${why}`]);
  assert.equal(read("http: {headers: {A: &a [x], B: *a, C: *a}}").config.http.headers.C?.[0], "x");
});

test("errors about deep nesting and wrong values repeat little of them", () => {
  const deep = `${"{a: ".repeat(30)}b${"}".repeat(30)}`;
  const lines = said(`http: {headers: {A: ${deep}}}`);
  assert.match(lines[0] ?? "", /^config\.yml:1: nested deeper than 20 levels$/);
  for (const line of [...lines, ...said(`http: {addr: ${"x".repeat(5000)}}`)])
    assert.ok(line.length < 400, line);
});

test("an invalid port is reported as a port", () => {
  for (const port of ["99999", "65536", "1000000"])
    assert.deepEqual(said("", { REGISTRY_HTTP_ADDR: `:${port}` }), [
      `http.addr = ":${port}" (REGISTRY_HTTP_ADDR): expected a port from 0 to 65535`,
    ]);
});

test("aliases of aliases that would need more than the memory are refused", () => {
  const [first, ...others] = ["[x, x, x, x, x, x, x, x, x, x]"].concat(
    Array.from({ length: 9 }, (_, level) => `[${Array(10).fill(`*a${level}`).join(", ")}]`),
  );
  const text = [`a0: &a0 ${first}`, ...others.map((list, level) => `a${level + 1}: &a${level + 1} ${list}`)];
  assert.match(said(text.join("\n")).join("\n"), /more than 100000 values/);
});

test("names of JavaScript's own properties are ordinary names", () => {
  assert.match(
    said("__proto__: {x: 1}\nconstructor: 1\n").join("\n"),
    /__proto__.*no such key\nconstructor.*no such key/,
  );
});

test("a secret is not shown by accident", () => {
  const secret = new Secret("abc");
  assert.equal(secret.reveal(), "abc");
  for (const text of [String(secret), JSON.stringify({ secret }), inspect(secret), `${secret}`])
    assert.doesNotMatch(text, /abc/);
});

test("a secret is hidden wherever it appears", () => {
  const one = group({ user: text, password: secret().optional() });
  const all = section({ one: one.optional(), several: list(one).optional(), named: record(one).optional() });
  const given = { user: "a", password: "abc" };
  const seen = { user: "a", password: "(hidden)" };
  assert.deepEqual(shown(all, { one: given, several: [given, given], named: { x: given } }), {
    one: seen,
    several: [seen, seen],
    named: { x: seen },
  });
});

for (const [time, seconds] of [
  ["90s", 90],
  ["1h30m", 5400],
  ["1.5h", 5400],
  ["250ms", 0.25],
  ["30d", 2_592_000],
  ["0", 0],
  ["", undefined],
  ["s", undefined],
  ["5", undefined],
  ["-5s", undefined],
  ["5s ", undefined],
  ["5 s", undefined],
] as const)
  test(`"${time}" is ${seconds === undefined ? "no time" : `${seconds} seconds`}`, () => {
    assert.equal(durationSeconds(time), seconds);
  });

test("any file is parsed or gives an error", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 200 }), (text) => {
      try {
        read(text);
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        assert.notEqual(error.message, "");
      }
    }),
  );
});

test("OpenTelemetry's variables set keys, overriding the file but not Gantry's own", () => {
  const file = "tracing: {exporter: otlp, samplerratio: 0.5}";
  const tracing = (variables: Record<string, string>, text = file) => read(text, variables).config.tracing;
  const defaults = {
    exporter: "otlp",
    protocol: "http/protobuf",
    sampler: "parentbased_traceidratio",
    samplerratio: 0.5,
  };
  const cases: [variables: Record<string, string>, expected: Record<string, unknown>][] = [
    [{}, {}],
    [{ OTEL_TRACES_EXPORTER: "none" }, { exporter: "none" }],
    [{ OTEL_SDK_DISABLED: "true" }, { exporter: "none" }],
    [{ OTEL_SDK_DISABLED: "false", OTEL_TRACES_EXPORTER: "" }, {}],
    [{ OTEL_TRACES_EXPORTER: "none", REGISTRY_TRACING_EXPORTER: "otlp" }, {}],
    [{ OTEL_TRACES_EXPORTER: "none", REGISTRY_TRACING: "{exporter: otlp, samplerratio: 0.5}" }, {}],
    [{ OTEL_TRACES_SAMPLER_ARG: "0.01" }, { samplerratio: 0.01 }],
    [{ OTEL_TRACES_SAMPLER_ARG: "0.01", REGISTRY_TRACING_SAMPLERRATIO: "1" }, { samplerratio: 1 }],
    [{ OTEL_TRACES_SAMPLER: "always_on" }, { sampler: "always_on" }],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }, { protocol: "http/json" }],
    [
      { OTEL_EXPORTER_OTLP_PROTOCOL: "grpc", OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: "http/json" },
      { protocol: "http/json" },
    ],
  ];
  for (const [variables, expected] of cases)
    assert.deepEqual(tracing(variables), { ...defaults, ...expected }, inspect(variables));
  assert.equal(tracing({ OTEL_TRACES_EXPORTER: "otlp" }, "").exporter, "otlp");
});

test("OpenTelemetry's variables are reported by their names, and matter only if traces are enabled", () => {
  const wrong = {
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    OTEL_TRACES_SAMPLER: "jaeger_remote",
    OTEL_TRACES_SAMPLER_ARG: "2",
  };
  assert.deepEqual(said("", wrong), []);
  assert.deepEqual(said("", { ...wrong, OTEL_TRACES_EXPORTER: "otlp" }), [
    'tracing.protocol = "grpc" (OTEL_EXPORTER_OTLP_PROTOCOL): expected http/protobuf or http/json',
    'tracing.sampler = "jaeger_remote" (OTEL_TRACES_SAMPLER): expected always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio',
    'tracing.samplerratio = "2" (OTEL_TRACES_SAMPLER_ARG): expected a number from 0 to 1, such as 0.01',
  ]);
  assert.deepEqual(said("", { OTEL_TRACES_EXPORTER: "zipkin" }), [
    'tracing.exporter = "zipkin" (OTEL_TRACES_EXPORTER): expected otlp or none',
  ]);
});

test("a displayed address contains no secret", () => {
  for (const endpoint of ["http://alice:secret@collector/v1/traces", "collector:4318", "ftp://collector"])
    assert.match(
      said(`tracing: {endpoint: "${endpoint}"}`).join(),
      /expected an http:\/\/ or https:\/\/ URL/,
    );
});
