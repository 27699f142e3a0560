/**
 * notation signs an image with its own certificate in both signature formats, with a login, and verifies it by the
 * registry's referrers. It uses no external service.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LoginFiles } from "../support/login.js";
import { tarOf, uniqueText, writeImage } from "./images.js";
import { startPrivateRegistry, user } from "./private-registry.js";
import { needs, run, temporaryFolder } from "./support.js";

const skip = needs("notation", "crane");
const files = await LoginFiles.make();

/** Trusts only the test certificate named `signer`. */
const trustPolicy = {
  version: "1.0",
  trustPolicies: [
    {
      name: "only-the-signer",
      registryScopes: ["*"],
      signatureVerification: { level: "strict" },
      trustStores: ["ca:signer"],
      trustedIdentities: ["*"],
    },
  ],
};

for (const forceTag of [false, true]) {
  const where = forceTag ? "under a tag made of the digest" : "as referrers";
  test(`notation: signatures stored ${where} are valid for their certificate only`, { skip }, async () => {
    await using folder = await temporaryFolder();
    await using registry = await startPrivateRegistry(files, folder.path);
    const env = { XDG_CONFIG_HOME: folder.path, XDG_CACHE_HOME: folder.path };
    const credentials = { NOTATION_USERNAME: user.name, NOTATION_PASSWORD: user.password };
    const notation = (...args: string[]) => run("notation", args, { env: { ...env, ...credentials } });
    for (const name of ["signer", "other"]) await notation("cert", "generate-test", name);
    // A generated certificate is trusted by its name: the policy says which one counts.
    const policy = join(folder.path, "policy.json");
    await writeFile(policy, JSON.stringify(trustPolicy));
    await notation("policy", "import", policy);

    const push = async (name: string) => {
      const digest = await writeImage(join(folder.path, name), [tarOf({ text: uniqueText() })]);
      await registry.run("crane", ["push", join(folder.path, name), `${registry.host}/signed/image:${name}`]);
      return digest;
    };
    const remote = registry.remote("signed/image");
    const sign = (name: string, digest: string, ...options: string[]) =>
      notation(
        ...["sign", "--insecure-registry", `--force-referrers-tag=${forceTag}`, "--key", name, ...options],
        `${registry.host}/signed/image@${digest}`,
      );
    const verify = (digest: string) =>
      notation("verify", "--insecure-registry", `${registry.host}/signed/image@${digest}`);

    const signed = await push("signed");
    for (const format of ["jws", "cose"]) await sign("signer", signed, "--signature-format", format);
    await verify(signed);
    const listed = await notation("list", "--insecure-registry", `${registry.host}/signed/image@${signed}`);
    const signatures = await remote.referrers(signed);
    assert.equal(signatures.length, 2);
    for (const signature of signatures) {
      assert.ok(listed.includes(signature), listed);
      await remote.verify(signature);
    }
    const tagged = remote.verify(signed.replace(":", "-"));
    if (forceTag) await tagged;
    else await assert.rejects(tagged, /404/);
    assert.equal((await remote.verify(signed)).digest, signed, "signing does not change the image");

    const unsigned = await push("unsigned");
    await assert.rejects(verify(unsigned), /no signature is associated/);
    const foreign = await push("foreign");
    await sign("other", foreign);
    await assert.rejects(verify(foreign), /signature verification failed/);

    await assert.rejects(
      run(
        "notation",
        ["sign", "--insecure-registry", "--key", "signer", `${registry.host}/signed/image@${foreign}`],
        {
          env: { ...env, DOCKER_CONFIG: folder.path },
        },
      ),
      /401|unauthorized|basic credential not found/i,
    );
    assert.equal((await remote.referrers(foreign)).length, 1);
  });
}
