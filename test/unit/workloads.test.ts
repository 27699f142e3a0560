// CI jobs with tokens of a local issuer: who is let in with which identity, and which requests the issuer gets.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, mock, test } from "node:test";
import { anonymous } from "../../src/auth/identity.js";
import { parseAccess } from "../../src/auth/tokens/access.js";
import { OwnTokens } from "../../src/auth/tokens/own-tokens.js";
import { signingKeyOf } from "../../src/auth/tokens/signing-key.js";
import type { Workloads } from "../../src/auth/workload/workloads.js";
import { workloadIssuers } from "../../src/config/workload.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { openWorkloads } from "../../src/server/tokens.js";
import { issueCertificate } from "../support/certificates.js";
import { ecKeys, type Json, jwkSet, nowSeconds, signJwt } from "../support/jwt.js";
import { discoveryPath, keysPath, type OidcIssuer, startIssuer } from "../support/oidc-issuer.js";
import { assertRefused } from "../support/refused.js";
import { eventually } from "../support/store.js";

const folder = await mkdtemp(join(tmpdir(), "gantry-workloads-"));
after(() => rm(folder, { recursive: true, force: true }));

const githubJob = {
  sub: "repo:Acme/Shop:ref:refs/heads/main",
  repository: "Acme/Shop",
  repository_owner: "Acme",
  ref: "refs/heads/main",
  run_id: "1234",
  secret_of_no_rule: "x",
};
const rules = [
  { claims: { repository: "Acme/*" }, repositories: "{repository}/**", permissions: ["pull", "push"] },
  { claims: { repository: "Acme/*" }, repositories: "base/**", permissions: ["pull"] },
];
const name = parseRepositoryName("acme/shop/api");

interface Opened {
  readonly workloads: Workloads;
  readonly refusals: string[];
  readonly errors: string[];
}

async function open(issuer: string, more: Json = {}): Promise<Opened> {
  const refusals: string[] = [];
  const errors: string[] = [];
  const settings = workloadIssuers.parse([{ name: "github", issuer, audience: "gantry", rules, ...more }]);
  const { verifier, stop } = await openWorkloads(settings, {
    onRefused: (from, reason) => refusals.push(`${from}: ${reason}`),
    onBroken: (error) => {
      const { message, cause } = error as Error;
      errors.push(`${message}: ${(cause as Error).message}`);
    },
  });
  after(stop);
  return { workloads: verifier, refusals, errors };
}

test("a GitHub job logs in with any user name, with the rules' permissions", async () => {
  await using issuer = await startIssuer();
  const { workloads, refusals } = await open(issuer.url);
  const identity = await workloads.verify("whoever", issuer.token(githubJob));
  assert.deepEqual(refusals, []);
  assert.ok(identity);
  const { limit, ...rest } = identity;
  const { limit: _, ...nobody } = anonymous;
  assert.deepEqual(rest, {
    ...nobody,
    kind: "workload",
    subject: "workload:github:repo:Acme/Shop:ref:refs/heads/main",
    name: "github:repo:Acme/Shop:ref:refs/heads/main",
    claims: { iss: issuer.url, repository: "Acme/Shop", ref: "refs/heads/main", run_id: "1234" },
    limitDecides: true,
  });
  assert.ok(limit);
  assert.ok(limit.allows("push", name));
  assert.ok(!limit.allows("delete", name));
  assert.ok(!limit.allows("push", parseRepositoryName("base/node")));
  assert.equal(workloads.isCurrent(identity), true);
});

test("a GitLab job logs in with GitLab's claims", async () => {
  await using issuer = await startIssuer();
  const { workloads } = await open(issuer.url, {
    rules: [
      {
        claims: { namespace_path: "acme/**", ref_protected: "true", environment: "production" },
        repositories: "{project_path}",
        permissions: ["push"],
      },
    ],
  });
  const job = {
    sub: "project_path:acme/web/shop:ref_type:branch:ref:main",
    namespace_path: "acme/web",
    project_path: "acme/web/shop",
    environment: "production",
    user_identities: [{ provider: "github" }],
  };
  const shop = parseRepositoryName("acme/web/shop");
  for (const [isProtected, expected] of [
    ["true", true],
    [true, true],
    ["false", false],
    [undefined, false],
  ] as const) {
    const verifying = workloads.verify("oidc", issuer.token({ ...job, ref_protected: isProtected }));
    if (expected) assert.ok((await verifying)?.limit?.allows("push", shop));
    else await assertRefused(verifying, /no rule/);
  }
});

test("a token can be used repeatedly at the cost of one check, until it expires", async () => {
  await using issuer = await startIssuer();
  const { workloads, refusals } = await open(issuer.url);
  const token = issuer.token(githubJob);
  const identity = await workloads.verify("oidc", token);
  assert.equal(workloads.verify("oidc", token), identity);
  assert.deepEqual(issuer.asked, [discoveryPath, keysPath]);
  mock.timers.enable({ apis: ["Date"], now: Date.now() + 361_000 });
  try {
    await assertRefused(workloads.verify("oidc", token), /expired/);
    assert.match(refusals.join(), /expired/);
  } finally {
    mock.timers.reset();
  }
});

test("a token exchanged for one of ours has the same claims", async () => {
  await using issuer = await startIssuer();
  const { workloads } = await open(issuer.url);
  const job = await workloads.verify("oidc", issuer.token(githubJob));
  assert.ok(job);
  const key = await signingKeyOf(ecKeys().privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  const options = { key, issuer: "gantry", service: "registry", accessSeconds: 300, refreshSeconds: 0 };
  const tokens = new OwnTokens({ ...options, limitOf: (identity) => workloads.limitOf(identity) });
  const access = parseAccess([{ type: "repository", name, actions: ["pull"] }]);
  assert.ok(access);
  const { token } = await tokens.issue(job, access);
  const again = await tokens.verify(token);
  assert.ok(again?.limitDecides && again.limit?.allows("push", name));
  assert.ok(again.token?.allows("pull", name) && !again.token.allows("push", name));
  assert.equal(again.subject, job.subject);
  assert.equal(workloads.isCurrent(again), true);
  const { workloads: elsewhere } = await open("https://gitlab.example");
  assert.equal(elsewhere.isCurrent(again), false, "an issuer that is no longer trusted");
  assert.equal(elsewhere.isCurrent({ ...anonymous, kind: "user" }), undefined);
});

test("a forged job token counts as a failure, a merely useless one does not", async () => {
  await using issuer = await startIssuer();
  const { workloads } = await open(issuer.url);
  let failures = 0;
  const attempt = { begin: () => {}, fail: () => failures++ };
  await assertRefused(workloads.verify("oidc", issuer.token({ ...githubJob, exp: 1 }), attempt), /expired/);
  assert.equal(failures, 0);
  await assertRefused(
    workloads.verify("oidc", resigned(issuer, {}, stranger.privateKey), attempt),
    /signature/,
  );
  assert.equal(failures, 1);
});

test("other tokens are left to other verifiers", async () => {
  await using issuer = await startIssuer();
  const { workloads } = await open(issuer.url);
  const foreign = signJwt(
    { alg: "ES256" },
    { ...githubJob, iss: "https://elsewhere.example" },
    issuer.keys.privateKey,
  );
  for (const password of ["", "secret", "a.b.c", foreign])
    assert.equal(workloads.verify("oidc", password), undefined);
  assert.deepEqual(issuer.asked, []);
});

const stranger = ecKeys();

for (const [what, make, reason] of [
  ["for another audience", (of) => of.token({ ...githubJob, aud: "other" }), /aud/],
  ["for no audience", (of) => of.token({ ...githubJob, aud: undefined }), /aud/],
  ["that has expired", (of) => of.token({ ...githubJob, exp: nowSeconds() - 61 }), /expired/],
  ["that never expires", (of) => of.token({ ...githubJob, exp: undefined }), /exp/],
  ["that is not valid yet", (of) => of.token({ ...githubJob, nbf: nowSeconds() + 120 }), /nbf/],
  ["of nobody", (of) => of.token({ ...githubJob, sub: undefined }), /no valid sub claim/],
  [
    "of a job without a matching rule",
    (of) => of.token({ ...githubJob, repository: "Evil/Shop" }),
    /no rule/,
  ],
  ["of a job with a list as claim", (of) => of.token({ ...githubJob, repository: ["Acme/Shop"] }), /no rule/],
  ["of another type", (of) => of.token(githubJob, { typ: "at+jwt" }), /type/],
  ["signed by a stranger", (of) => resigned(of, {}, stranger.privateKey), /signature/],
  ["signed by nobody", (of) => resigned(of, { alg: "none" }, "nothing"), /algorithm/],
  [
    "with its own key in it",
    (of) =>
      resigned(of, { kid: "x", jwk: stranger.publicKey.export({ format: "jwk" }) }, stranger.privateKey),
    /key/,
  ],
  [
    "signed with the public key as a secret",
    (of) => resigned(of, { alg: "HS256" }, { secret: jwkSet({ "key-1": of.keys.publicKey }) }),
    /algorithm/,
  ],
] as [string, (issuer: OidcIssuer) => string, RegExp][]) {
  test(`a token ${what} is refused, and the log has the reason without the token`, async () => {
    await using issuer = await startIssuer();
    const { workloads, refusals } = await open(issuer.url);
    const token = make(issuer);
    await assertRefused(workloads.verify("oidc", token), reason, token);
    assert.equal(refusals.length, 1);
    assert.match(refusals[0] ?? "", reason);
    for (const part of token.split(".")) assert.ok(part === "" || !refusals.join().includes(part));
  });
}

function resigned({ url }: OidcIssuer, header: Json, signer: Parameters<typeof signJwt>[2]): string {
  const claims = { ...githubJob, iss: url, aud: "gantry", exp: nowSeconds() + 300 };
  return signJwt({ alg: "ES256", kid: "key-1", ...header }, claims, signer);
}

test("new keys are fetched when a token names one, and the old ones are dropped", async () => {
  await using issuer = await startIssuer();
  const { workloads } = await open(issuer.url);
  const old = issuer.token(githubJob);
  assert.ok(await workloads.verify("oidc", old));
  issuer.rotate();
  await assertRefused(workloads.verify("oidc", issuer.token(githubJob)), /key/);
  assert.equal(issuer.asked.length, 2, "not again at once");
  mock.timers.enable({ apis: ["Date"], now: Date.now() + 31_000 });
  try {
    assert.ok(await workloads.verify("oidc", issuer.token(githubJob)));
    await assertRefused(workloads.verify("oidc", old), /key/);
    for (let count = 0; count < 20; count++) {
      const madeUp = issuer.token({ ...githubJob, jti: String(count) }, { kid: `made-up-${count}` });
      await assertRefused(workloads.verify("oidc", madeUp), /key/);
    }
    assert.equal(issuer.asked.length, 4, "made-up IDs cause no request");
  } finally {
    mock.timers.reset();
  }
});

test("known keys stay valid for a day while the issuer is unreachable", async () => {
  await using issuer = await startIssuer();
  const { workloads, errors, refusals } = await open(issuer.url);
  const later = (seconds: number) => issuer.token({ ...githubJob, exp: nowSeconds() + seconds });
  assert.ok(await workloads.verify("oidc", later(300)));
  issuer.answers.clear();
  mock.timers.enable({ apis: ["Date"], now: Date.now() + 60 * 60_000 });
  try {
    assert.ok(await workloads.verify("oidc", later(300)));
    await eventually("the failure is reported", () => errors[0]);
    mock.timers.setTime(Date.now() + 24 * 60 * 60_000);
    await assertRefused(workloads.verify("oidc", later(300)), /keys cannot be fetched/);
    assert.match(refusals.join(), /keys cannot be fetched/);
  } finally {
    mock.timers.reset();
  }
});

test("a failing issuer is retried after increasing delays", async () => {
  await using issuer = await startIssuer();
  const { workloads, errors } = await open(issuer.url);
  issuer.answers.clear();
  const start = Date.now();
  mock.timers.enable({ apis: ["Date"], now: start });
  try {
    const attempts: number[] = [];
    for (let second = 0; second < 20; second++) {
      mock.timers.setTime(start + second * 1000);
      const before = issuer.asked.length;
      await Promise.all(
        [0, 1, 2].map((jti) =>
          assertRefused(workloads.verify("oidc", issuer.token({ ...githubJob, jti })), /cannot be fetched/),
        ),
      );
      if (issuer.asked.length > before) attempts.push(second);
    }
    assert.deepEqual(attempts, [0, 1, 3, 7, 15]);
    assert.equal(issuer.asked.length, attempts.length, "one request for all waiting callers");
    assert.equal(errors.length, attempts.length);
  } finally {
    mock.timers.reset();
  }
});

const elsewhere = await startIssuer();
after(() => elsewhere[Symbol.asyncDispose]());

for (const [what, spoil, reason] of [
  [
    "points to another host",
    ({ answers, url }) =>
      answers.set(discoveryPath, (_, response) =>
        response.end(JSON.stringify({ issuer: url, jwks_uri: `${elsewhere.url}${keysPath}` })),
      ),
    /another host/,
  ],
  [
    "points to another scheme",
    ({ answers, url }) =>
      answers.set(discoveryPath, (_, response) =>
        response.end(JSON.stringify({ issuer: url, jwks_uri: "file:///etc/keys" })),
      ),
    /another host/,
  ],
  [
    "names another issuer",
    ({ answers, url }) =>
      answers.set(discoveryPath, (_, response) =>
        response.end(JSON.stringify({ issuer: "https://other.example", jwks_uri: `${url}${keysPath}` })),
      ),
    /another issuer/,
  ],
  [
    "redirects",
    ({ answers }) =>
      answers.set(discoveryPath, (_, response) =>
        response.writeHead(302, { Location: `${elsewhere.url}${discoveryPath}` }).end(),
      ),
    /status is 302/,
  ],
  [
    "points to keys that redirect",
    ({ answers }) =>
      answers.set(keysPath, (_, response) =>
        response.writeHead(307, { Location: `${elsewhere.url}${keysPath}` }).end(),
      ),
    /status is 307/,
  ],
  [
    "points to endless keys",
    ({ answers }) =>
      answers.set(keysPath, (_, response) => response.end(`{"keys":[],"x":"${"x".repeat(300_000)}"}`)),
    /more than/,
  ],
  [
    "points to no keys",
    ({ answers }) => answers.set(keysPath, (_, response) => response.end('{"keys":[]}')),
    /no trusted key/,
  ],
  [
    "leads to nonsense",
    ({ answers }) => answers.set(keysPath, (_, response) => response.end("<html>")),
    /JSON/,
  ],
] as [string, (issuer: OidcIssuer) => unknown, RegExp][]) {
  test(`an issuer whose discovery document ${what} lets nobody in, and no other host is asked`, async () => {
    await using issuer = await startIssuer();
    spoil(issuer);
    const { workloads, errors } = await open(issuer.url);
    await assertRefused(workloads.verify("oidc", issuer.token(githubJob)), /keys cannot be fetched/);
    assert.match(errors.join(), reason);
    assert.deepEqual(elsewhere.asked, []);
  });
}

test("keys on another host are fetched if the settings name it", async () => {
  await using issuer = await startIssuer();
  await using host = await startIssuer();
  host.answers.set("/issuers-keys", (_, response) =>
    response.end(jwkSet({ "key-1": issuer.keys.publicKey })),
  );
  const { workloads } = await open(issuer.url, { jwksuri: `${host.url}/issuers-keys` });
  assert.ok(await workloads.verify("oidc", issuer.token(githubJob)));
  assert.deepEqual(issuer.asked, []);
});

test("over HTTPS, the issuer's certificate must lead to a trusted one", async () => {
  const root = await issueCertificate({ name: "root of the CI system", authority: true });
  const server = await issueCertificate({ name: "issuer", by: root, addresses: ["127.0.0.1"] });
  await using issuer = await startIssuer(server);
  await writeFile(`${folder}/ca.pem`, root.pem);
  const { workloads } = await open(issuer.url, { ca: `${folder}/ca.pem` });
  assert.ok(await workloads.verify("oidc", issuer.token(githubJob)));
  const { workloads: without, errors } = await open(issuer.url);
  await assertRefused(without.verify("oidc", issuer.token(githubJob)), /keys cannot be fetched/);
  assert.match(errors.join(), /certificate/);
});

test("keys in a file are used without a request, and replaced with the file", async () => {
  await using issuer = await startIssuer();
  const path = `${folder}/keys.json`;
  await writeFile(path, jwkSet({ "key-1": issuer.keys.publicKey }));
  const { workloads, errors } = await open(issuer.url, { jwks: path });
  const token = issuer.token(githubJob);
  assert.ok(await workloads.verify("oidc", token));
  await writeFile(path, "{");
  await eventually("the broken file is reported", () => errors[0], 10_000);
  assert.ok(await workloads.verify("oidc", token), "the old keys stay in effect");
  await writeFile(path, jwkSet({ "key-1": stranger.publicKey }));
  await eventually(
    "the old key is dropped",
    async () => {
      try {
        await workloads.verify("oidc", token);
        return undefined;
      } catch {
        return true;
      }
    },
    10_000,
  );
  assert.deepEqual(issuer.asked, []);
});

test("the server does not start if the file of keys is missing", async () => {
  await assert.rejects(open("https://ci.example", { jwks: `${folder}/none.json` }), { code: "ENOENT" });
});
