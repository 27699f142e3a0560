/** Which clients log in at a mirror whose policy asks for it, and how. The settings are those of docs/mirror.md. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LoginFiles } from "../support/login.js";
import { eventually } from "../support/store.js";
import { snapshotter, startContainerd } from "./containerd-daemon.js";
import {
  buildkit,
  type ClientKind,
  containerd,
  crane,
  docker,
  podman,
  skopeo,
  writeHosts,
} from "./mirror-clients.js";
import { mirrorHost, settingsFor, write } from "./mirror-place.js";
import { crio, startCrio } from "./mirror-runtimes.js";
import { Mirror, needsMirror } from "./mirror-setup.js";

const files = await LoginFiles.make();
/** Those of the page's example. */
const user = { name: "builder", password: "password" };
await files.users({ [user.name]: user.password });
await files.policy(`rules:
  - { repositories: "docker.io/library/open", anonymous: true, allow: pull }
  - { repositories: ["docker.io/**", "ghcr.io/**"], authenticated: true, allow: pull }
`);

const image = "docker.io/library/tool:1";
const refused = /401|unauthorized|denied|authenticat|forbidden|lookup/i;

/** A program's parameters for a login whose credentials are stored in `config`. */
type Login = (config: string, folder: string) => readonly string[];
const options = ["--username", user.name, "--password-stdin", mirrorHost];

const logins: readonly { readonly kind: ClientKind; readonly login: Login }[] = [
  { kind: buildkit, login: () => ["crane", "auth", "login", ...options] },
  { kind: podman, login: (config) => ["podman", "login", "--authfile", config, ...options] },
  { kind: skopeo, login: (config) => ["skopeo", "login", "--authfile", config, ...options] },
  { kind: crane, login: () => ["crane", "auth", "login", ...options] },
];

/** Logs in, and checks that the credentials are those of the mirror's name. */
async function logIn(mirror: Mirror, login: Login): Promise<void> {
  const config = join(mirror.folder, "config.json");
  const [program = "", ...args] = login(config, mirror.folder);
  await mirror.run(program, args, { input: user.password });
  assert.deepEqual(Object.keys(JSON.parse(await readFile(config, "utf8")).auths), [mirrorHost]);
}

for (const { kind, login } of logins)
  test(`${kind.name} sends the mirror the credentials of a login there`, {
    skip: needsMirror(...kind.programs),
  }, async () => {
    await using mirror = await Mirror.start(files.settings);
    const made = await mirror.push("docker.io", "library/tool:1");
    await using client = await kind.start(mirror);
    await assert.rejects(client.pull(image), refused);
    await logIn(mirror, login);
    const pulled = await client.pull(image);
    assert.notDeepEqual(pulled, {});
    assert.deepEqual({ ...made, ...pulled }, made);
  });

test("docker sends credentials with the mirror's own name alone", {
  skip: needsMirror(...docker.programs),
}, async () => {
  await using mirror = await Mirror.start(files.settings);
  const { digest } = await mirror.push("docker.io", "library/tool:1");
  const open = await mirror.push("docker.io", "library/open:1");
  const elsewhere = await mirror.push("ghcr.io", "org/app:1");
  await using client = await docker.start(mirror);
  await logIn(mirror, (_, folder) => [
    ...["docker", "--host", `unix://${join(folder, "docker.sock")}`, "login"],
    ...options,
  ]);
  await assert.rejects(client.pull(image), /registry-1\.docker\.io/);
  const requests = await eventually("the access log names the refused requests", () => {
    const lines = mirror.gantry.log().split("\n");
    const found = lines.filter((line) => line.includes('"path":"/v2/library/tool/manifests/1"'));
    return found.length > 0 ? found.map((line) => JSON.parse(line)) : undefined;
  });
  for (const { status, user: sender } of requests)
    assert.deepEqual({ status, sender }, { status: 401, sender: "anonymous" });
  // Nothing else keeps it from the mirror: it pulls there what the policy lets everybody pull.
  assert.equal((await client.pull("docker.io/library/open:1")).digest, open.digest);
  assert.equal((await client.pull("ghcr.io/org/app:1")).digest, elsewhere.digest);
  const own = `${mirrorHost}/docker.io/library/tool:1`;
  const command = ["--config", mirror.folder, "--host", `unix://${join(mirror.folder, "docker.sock")}`];
  assert.ok((await mirror.run("docker", [...command, "pull", own])).includes(digest));
});

test("docker refuses a mirror's address with credentials", {
  skip: needsMirror(...docker.programs),
}, async () => {
  await using mirror = await Mirror.start(files.settings);
  const settings = await settingsFor(mirror, "{\n");
  const file = await write(
    mirror,
    "refused.json",
    settings.replace("https://", `https://${user.name}:${user.password}@`),
  );
  await assert.rejects(
    mirror.run("dockerd", ["--config-file", file, "--data-root", join(mirror.folder, "refused")]),
    /invalid mirror/,
  );
});

test("containerd sends the mirror the header of its hosts.toml, or the credentials of the command", {
  skip: needsMirror(...containerd.programs),
}, async () => {
  await using mirror = await Mirror.start(files.settings);
  const { digest } = await mirror.push("docker.io", "library/tool:1");
  await using daemon = await startContainerd(mirror.folder);
  const ctr = (...args: string[]) => mirror.run("ctr", [...daemon.address, ...args]);
  const pull = async (hosts: string, ...further: string[]) => {
    await ctr("images", "pull", "--hosts-dir", hosts, ...further, snapshotter, image);
    assert.ok((await ctr("images", "ls", `name==${image}`)).includes(digest));
    await ctr("images", "rm", "--sync", image);
  };
  await assert.rejects(pull(await writeHosts(mirror)), refused);
  await pull(await writeHosts(mirror), "--user", `${user.name}:${user.password}`);
  const header = await settingsFor(mirror, `[host."https://${mirrorHost}".header]`);
  await pull(await writeHosts(mirror, `\n${header}`));
});

test("CRI-O sends the mirror the credentials of its global_auth_file, and no pod's pull secret", {
  skip: needsMirror(...crio.programs),
}, async () => {
  await using mirror = await Mirror.start(files.settings);
  const { digest } = await mirror.push("docker.io", "library/tool:1");
  {
    const secret = { username: user.name, password: user.password };
    await using client = await startCrio(mirror, "", secret);
    await assert.rejects(client.pull(image), refused);
  }
  await logIn(mirror, () => ["crane", "auth", "login", ...options]);
  const file = JSON.stringify(join(mirror.folder, "config.json"));
  await using client = await startCrio(mirror, `global_auth_file = ${file}`);
  assert.deepEqual(await client.pull(image), { digest });
});
