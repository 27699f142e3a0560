/**
 * Every client logs in over TLS with a private CA, by name and password at each request and for a token:
 * with right and with wrong credentials, as a robot, and not at all.
 */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LoginFiles } from "../support/login.js";
import { leavesNothing, storedBelow } from "../support/store.js";
import { newAuthority } from "../support/tls.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { type Caller, loginClients, type Made, type User } from "./login-clients.js";
import { developer, type LoginRegistry, startLoginRegistry } from "./login-registry.js";
import { needsMachine, startMachine } from "./machine.js";
import { run, temporaryFolder } from "./support.js";

/** Text that people understand: that they were not let in, and why. */
const refusal =
  /unauthorized|authentication required|denied:|403 Forbidden|no basic auth credentials|basic credential not found|invalid username|invalid_token: authorization failed/i;
const untrusted = /certificate signed by unknown authority/;

const files = await LoginFiles.make();

for (const challenge of ["basic", "bearer"] as const) {
  test(`asked to log in by ${challenge}`, { skip: needsMachine("busybox") }, async (t) => {
    await using folder = await temporaryFolder();
    await using machine = await startMachine(folder.path);
    await using registry = await startLoginRegistry(machine, files, challenge);
    const made = await makeImage(folder.path);
    for (const { name, skip, start, loginAsks, needsBasic } of loginClients) {
      await t.test(name, { skip }, async (t) => {
        await using own = await temporaryFolder();
        await using client = await start(machine, own.path);
        const image = `${registry.host}/private/${name}:latest`;
        const open = `${registry.host}/public/${name}:latest`;
        // Some push nothing if it already exists.
        const unused = `${registry.host}/private/${name}:new`;
        const logIn = async (user: User): Promise<Caller> => {
          const caller = await registry.caller(own.path, user);
          await client.login?.(caller, user);
          return caller;
        };
        const known = await logIn(developer);
        const nobody = await registry.caller(own.path);

        await t.test("pulled content is the pushed content", async () => {
          for (const each of [image, open]) await client.push(known, each, made);
          assert.equal(await client.pull(known, image), await registry.verify(`private/${name}`));
        });

        const cannot = challenge === "basic" && needsBasic === true;
        await t.test("public content is pulled without a login", { skip: cannot }, async () => {
          assert.equal(await client.pull(nobody, open), await registry.verify(`public/${name}`));
        });

        await t.test("without a login nothing can be pushed, and nothing private can be pulled", async () => {
          await refused(registry, () => client.push(nobody, unused, made));
          await refused(registry, () => client.pull(nobody, image));
        });

        await t.test("a robot may pull but not push", async () => {
          const reader = await logIn(registry.robot);
          assert.equal(await client.pull(reader, image), await registry.verify(`private/${name}`));
          await refused(registry, () => client.push(reader, unused, made));
        });

        await t.test("a wrong password lets nobody in, and is not stored", async () => {
          const user = { ...developer, password: "wrong" };
          const intruder = await registry.caller(own.path, user);
          if (loginAsks) {
            await refused(registry, async () => client.login?.(intruder, user));
            assert.deepEqual(await filesWith(intruder.folder, encoded(user)), []);
          } else {
            await client.login?.(intruder, user);
          }
          await refused(registry, () => client.push(intruder, unused, made));
          await refused(registry, () => client.pull(intruder, image));
        });

        await t.test("a server with a certificate of another CA is refused", async () => {
          const { pem } = await newAuthority("somebody's CA");
          await registry.trusting(pem, async () => {
            const stranger = await registry.caller(own.path, developer);
            await refused(registry, () => client.pull(stranger, open), untrusted);
          });
        });

        const { copy } = client;
        await t.test("layers are mounted", { skip: copy === undefined }, async () => {
          const said = await copy?.(known, image, `${registry.host}/private/${name}/copy:latest`);
          assert.match(said ?? "", /mounted/i);
          const [from, to] = [`private/${name}`, `private/${name}/copy`];
          assert.equal(await registry.verify(to), await registry.verify(from));
        });
      });
    }
  });
}

/** Checks that `attempt` stores nothing, and ends with a comprehensible error. */
function refused(
  { root }: LoginRegistry,
  attempt: () => Promise<unknown>,
  why: RegExp = refusal,
): Promise<void> {
  return leavesNothing(root, () => assert.rejects(attempt, why));
}

async function makeImage(folder: string): Promise<Made> {
  const contents = await runnableTar(uniqueText());
  const made = { tar: "root.tar", layout: "layout", archive: "image.tar" };
  for (const [key, file] of Object.entries(made)) Object.assign(made, { [key]: join(folder, file) });
  await writeFile(made.tar, contents);
  await writeImage(made.layout, [contents]);
  await run("tar", ["-C", made.layout, "-cf", made.archive, "oci-layout", "index.json", "blobs"]);
  return made;
}

/** As clients store it. */
function encoded({ name, password }: User): string {
  return Buffer.from(`${name}:${password}`).toString("base64");
}

/** Returns the files below `folder` that contain this text. */
async function filesWith(folder: string, text: string): Promise<string[]> {
  const paths = await storedBelow(folder);
  const contents = await Promise.all(
    paths.map((path) => readFile(join(folder, path), "utf8").catch(() => "")),
  );
  return paths.filter((_, index) => contents[index]?.includes(text));
}
