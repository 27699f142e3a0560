// The examples in docs/security.md work as described: each is read from the page and given to a server.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, test } from "node:test";
import { issueCertificate } from "../support/certificates.js";
import { Client } from "../support/client.js";
import { gantry as command } from "../support/command.js";
import { index, newName } from "../support/content.js";
import type { GantrySettings, RunningGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { basic, type Headers, LoginFiles } from "../support/login.js";
import { type OidcIssuer, startIssuer } from "../support/oidc-issuer.js";

const page = await readFile(new URL("../../../docs/security.md", import.meta.url), "utf8");

/** Returns the page's only example with this beginning, below this heading. */
function exampleOf(heading: string, first: string): string {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  const blocks = Array.from(section.matchAll(/^```\w+\n([\s\S]*?)^```$/gm), ([, block = ""]) => block);
  const [example, ...others] = blocks.filter((block) => block.startsWith(first));
  assert.ok(example !== undefined && others.length === 0, `${heading} has one example ${first}`);
  return example;
}

const files = await LoginFiles.make();
const names = ["ann", "carol", "dan", "releaser", "eve"];
await files.users(Object.fromEntries(names.map((name) => [name, "secret"])));
await files.write("issuer.pem", (await issueCertificate({ name: "issuer", authority: true })).pem);

/** A server with an example's settings, with its files in the test's folder. */
async function serve(example: string, settings: GantrySettings = {}): Promise<RunningGantry> {
  const text = example.replaceAll("/etc/gantry", files.folder);
  return startInside({ ...settings, REGISTRY_CONFIGURATION_PATH: await files.write("settings.yaml", text) });
}

/** Whether these callers may pull, push a new tag, move it and delete it. */
async function rightsOf(gantry: RunningGantry, owner: Headers, who: Headers, name: string): Promise<string> {
  const client = new Client(gantry.url, 1, undefined, who);
  await new Client(gantry.url, 1, undefined, owner).pushImage(name, index([]), "there");
  const { bytes, mediaType } = index([]);
  const answers = {
    pull: await client.get(`/v2/${name}/manifests/there`),
    create: await client.putManifest(name, "new", bytes, mediaType),
    move: await client.putManifest(name, "there", bytes, mediaType),
    delete: await client.delete(`/v2/${name}/manifests/there`),
  };
  return Object.entries(answers)
    .flatMap(([what, { status }]) => (status < 300 ? [what] : []))
    .join();
}

test("the policy grants what the page says", async () => {
  await files.policy(exampleOf("Access policy", "# policy.yaml"));
  await using gantry = await serve(exampleOf("Logins", "# settings.yaml"));
  const as = (user: string) => basic(user, "secret");
  for (const [who, repository, expected] of [
    [as("ann"), "release/app", "pull,create,move,delete"],
    [{}, "public/app", "pull"],
    [{}, "team/app", ""],
    [as("eve"), "team/app", "pull"],
    [as("eve"), "release/app", ""],
    [as("carol"), "team/web/app", "pull,create,move"],
    [as("releaser"), "release/app", "pull,create"],
  ] as const)
    assert.equal(await rightsOf(gantry, as("ann"), who, newName(repository)), expected, repository);
});

/** The settings with the test's issuers instead of the named ones. */
function withIssuers(example: string, issuers: Readonly<Record<string, OidcIssuer>>): string {
  return Object.entries(issuers).reduce((text, [url, { url: own }]) => text.replace(url, own), example);
}

test("jobs of GitHub and GitLab get the described access, by the issuer's rules and by the policy", async () => {
  const [github, gitlab] = [await startIssuer(), await startIssuer()];
  for (const issuer of [github, gitlab]) after(() => issuer[Symbol.asyncDispose]());
  await files.policy(exampleOf("CI jobs", "# policy.yaml"));
  const settings = withIssuers(exampleOf("CI jobs", "# settings.yaml"), {
    "https://token.actions.githubusercontent.com": github,
    "https://gitlab.example.com": gitlab,
  });
  await using gantry = await serve(settings);
  const made = await command(gantry.root, ["token", "create", "owner", "--scope", "**:admin", "--json"]);
  const { user, key } = made.json<{ user: string; key: string }>();
  const aud = "registry.example.com";
  const hub = (repository: string, ref: string) =>
    basic("ci", github.token({ aud, sub: `repo:${repository}:${ref}`, repository, ref }));
  const lab = (claims: Readonly<Record<string, string>>) =>
    basic("ci", gitlab.token({ aud, sub: `project_path:${claims.project_path}`, ...claims }));
  const main = "refs/heads/main";
  const shop = { project_path: "acme/shop", namespace_path: "acme" };
  for (const [who, repository, expected] of [
    [hub("Acme/Shop", main), "acme/shop/api", ""],
    [hub("acme/Shop", main), "acme/shop/api", "pull,create,move"],
    [hub("acme/shop", "refs/heads/other"), "acme/shop/api", "pull"],
    [hub("acme/shop", main), "acme/other/api", ""],
    [hub("acme/shop", main), "base/debian", "pull"],
    [hub("evil/shop", main), "evil/shop/api", ""],
    [lab({ ...shop, ref_protected: "true" }), "shop/api", "pull,create,move"],
    [lab({ ...shop, ref_protected: "false" }), "shop/api", ""],
    [lab({ ...shop, ref_protected: "false" }), "base/debian", "pull"],
    [lab({ project_path: "evil/shop", namespace_path: "evil", ref_protected: "true" }), "shop/api", ""],
  ] as const)
    assert.equal(await rightsOf(gantry, basic(user, key), who, newName(repository)), expected, repository);
});

test("the workflows name the audience that the settings expect", () => {
  const expected = /audience: (\S+)/.exec(exampleOf("CI jobs", "# settings.yaml"))?.[1] ?? "";
  assert.ok(exampleOf("CI jobs", "# workflow").includes(`audience=${expected}"`));
  assert.ok(exampleOf("CI jobs", "# .gitlab-ci.yml").includes(`aud: ${expected} }`));
});

test("a robot is created, listed and revoked by the page's commands", async () => {
  await using gantry = await startInside();
  for (const line of exampleOf("Robots", "gantry token").trim().split("\n")) {
    const parameters = Array.from(
      line.matchAll(/"([^"]*)"|(\S+)/g),
      ([, quoted, plain]) => quoted ?? plain ?? "",
    );
    const ran = await command(gantry.root, parameters.slice(1));
    assert.equal(ran.code, 0, ran.stderr);
    if (line.includes("list")) assert.match(ran.stdout, /robot-deploy +team\/\*\*:pull/);
  }
});

for (const heading of ["Tokens", "Limits"])
  test(`a server starts with the settings below "${heading}"`, async () => {
    await using gantry = await serve(exampleOf(heading, "# settings.yaml"));
    assert.equal((await new Client(gantry.url).get("/v2/")).status, heading === "Tokens" ? 401 : 200);
  });
