/**
 * The Python client of oras keeps its first token. Its backend `token` checks for a blob before it pushes, gets a token to
 * pull, and presents it for the push: CNCF distribution 3 refuses it as Gantry does, with the same challenge. Its backend
 * `basic` pushes to both.
 */
import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { hashSync } from "bcryptjs";
import { Client } from "../support/client.js";
import { startGantry } from "../support/gantry.js";
import { nowSeconds, signJwt } from "../support/jwt.js";
import { newAuthority } from "../support/tls.js";
import { startDistribution3 } from "./distribution-3.js";
import { uniqueText } from "./images.js";
import { needs, run, temporaryFolder, toolsFolder } from "./support.js";

const python = join("oras-python", "bin", "python");
const skip = needs("registry", python);

const user = { name: "alice", password: "a password" };

/** Prints the result of each step. */
const script = `
import json, os, sys
import oras.client
host, backend, name, password = sys.argv[1:]
client = oras.client.OrasClient(hostname=host, insecure=True, auth_backend=backend)
if backend == "basic":
    client.auth.set_basic_auth(name, password)
said = {}
def step(what, work):
    try:
        work()
        said[what] = "done"
    except Exception as error:
        said[what] = "UNAUTHORIZED" if "UNAUTHORIZED" in str(error) else str(error)
image = host + "/team/app:1"
step("push", lambda: client.push(target=image, files=["greeting"]))
step("pull", lambda: client.pull(target=image, outdir="pulled"))
said["pulled"] = open("pulled/greeting").read() if os.path.exists("pulled/greeting") else ""
print(json.dumps(said))
`;

type Said = Readonly<Record<"push" | "pull" | "pulled", string>>;

/** Issues a token for exactly the requested scope to every client. */
async function tokenServer(folder: string) {
  const authority = await newAuthority("an issuer");
  const { pem, keyPem } = await authority.issue("signer");
  const bundle = join(folder, "issuer.pem");
  await writeFile(bundle, authority.pem);
  const header = { alg: "ES256", typ: "JWT", x5c: [new X509Certificate(pem).raw.toString("base64")] };
  const key = createPrivateKey(keyPem);
  const scopes: string[] = [];
  const tokenFor = (scope: string) => {
    const [type = "", name = "", actions = ""] = scope.split(":");
    const now = nowSeconds();
    const times = { iat: now, nbf: now - 10, exp: now + 300 };
    const access = [{ type, name, actions: actions.split(",") }];
    const claims = { iss: "issuer", aud: "registry", sub: user.name, jti: uniqueText(), ...times, access };
    return signJwt(header, claims, key);
  };
  const server = createServer(({ url = "" }, response) => {
    const scope = new URL(url, "http://x").searchParams.get("scope") ?? "";
    scopes.push(scope);
    response.end(JSON.stringify({ token: tokenFor(scope) }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  const realm = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`;
  return {
    token: { realm, service: "registry", issuer: "issuer", rootcertbundle: bundle },
    tokenFor,
    scopes,
  };
}

async function pushAndPull(
  folder: string,
  url: string,
  backend: string,
): Promise<{ readonly said: Said; readonly greeting: string }> {
  const cwd = await mkdtemp(join(folder, "client-"));
  const greeting = uniqueText();
  await writeFile(join(cwd, "greeting"), greeting);
  await writeFile(join(cwd, "client.py"), script);
  const args = ["client.py", new URL(url).host, backend, user.name, user.password];
  const env = { HOME: cwd, DOCKER_CONFIG: cwd };
  const said = JSON.parse(await run(join(toolsFolder, python), args, { cwd, env })) as Said;
  return { said, greeting };
}

test("a token to pull is refused for a push, as in CNCF distribution 3", { skip }, async () => {
  await using folder = await temporaryFolder();
  const { token, tokenFor, scopes } = await tokenServer(folder.path);
  await using distribution = await startDistribution3(folder.path, "token", {
    lines: `auth: {token: ${JSON.stringify(token)}}`,
  });
  await using gantry = await startGantry(
    Object.fromEntries(
      Object.entries(token).map(([key, value]) => [`REGISTRY_AUTH_TOKEN_${key.toUpperCase()}`, value]),
    ),
  );
  const answers = [];
  const results: unknown[] = [];
  for (const { url } of [distribution, gantry]) {
    const headers = { Authorization: `Bearer ${tokenFor("repository:team/app:pull")}` };
    const { status, headers: answered } = await new Client(url).request(
      "POST",
      "/v2/team/app/blobs/uploads/",
      { body: "", headers },
    );
    // distribution keeps the actions in a map, so their order varies.
    answers.push([status, answered["www-authenticate"]?.replace("push,pull", "pull,push")]);
    const { said } = await pushAndPull(folder.path, url, "token");
    results.push([said.push, scopes.splice(0)]);
  }
  const challenge = `Bearer realm="${token.realm}",service="registry",scope="repository:team/app:pull,push",error="insufficient_scope"`;
  assert.deepEqual(answers, [
    [401, challenge],
    [401, challenge],
  ]);
  const refused = ["UNAUTHORIZED", ["repository:team/app:pull"]];
  assert.deepEqual(results, [refused, refused]);
});

test("with name and password, its backend basic pushes and pulls, as with CNCF distribution 3", {
  skip,
}, async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "users"));
  const users = join(folder.path, "users", "htpasswd");
  await writeFile(users, `${user.name}:${hashSync(user.password, 4)}\n`);
  await using distribution = await startDistribution3(folder.path, "basic", {
    lines: `auth: {htpasswd: {realm: registry, path: ${users}}}`,
  });
  for (const settings of [{}, { REGISTRY_AUTH_CHALLENGE: "basic" }]) {
    await using gantry = await startGantry({ REGISTRY_AUTH_HTPASSWD_PATH: users, ...settings });
    for (const { url } of [distribution, gantry]) {
      const { said, greeting } = await pushAndPull(folder.path, url, "basic");
      assert.deepEqual(said, { push: "done", pull: "done", pulled: greeting });
    }
  }
});
