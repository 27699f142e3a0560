/**
 * Jib, as Maven's plugin, puts a Java program's classes onto a base image of the registry, with a login, and pushes it
 * without a container engine.
 */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { LoginFiles } from "../support/login.js";
import { runnableTar, uniqueText, writeImage } from "./images.js";
import { startPrivateRegistry, user } from "./private-registry.js";
import { needs, run, temporaryFolder } from "./support.js";

/** .ci/install has downloaded it. */
const plugin = "com.google.cloud.tools:jib-maven-plugin:3.5.2";

const skip = needs("mvn", "crane", "chroot");
const files = await LoginFiles.make();

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>com.example</groupId>
  <artifactId>greeter</artifactId>
  <version>1</version>
</project>
`;

for (const format of ["OCI", "Docker"]) {
  test(`jib: an image in the format ${format} has its base and its program`, { skip }, async () => {
    await using folder = await temporaryFolder();
    await using registry = await startPrivateRegistry(files, folder.path);
    const [baseText, greeting] = [uniqueText(), uniqueText()];
    await writeImage(join(folder.path, "base"), [await runnableTar(baseText)]);
    const base = `${registry.host}/bases/jib:latest`;
    await registry.run("crane", ["push", join(folder.path, "base"), base]);

    const source = join(folder.path, "source");
    await mkdir(join(source, "target", "classes"), { recursive: true });
    await writeFile(join(source, "pom.xml"), project);
    await writeFile(join(source, "target", "classes", "greeting.txt"), greeting);
    const jib = (password: string, ...options: string[]) => {
      const login = ["from", "to"].flatMap((end) => [
        `-Djib.${end}.auth.username=${user.name}`,
        `-Djib.${end}.auth.password=${password}`,
      ]);
      const insecure = ["-Djib.allowInsecureRegistries=true", "-DsendCredentialsOverHttp=true"];
      const quiet = ["--quiet", "--batch-mode", "-Djib.disableUpdateChecks=true"];
      const image = [`-Djib.from.image=${base}`, `-Djib.container.format=${format}`];
      const entry = ["-Djib.container.mainClass=com.example.Greeter"];
      const caches = ["baseImageCache", "applicationCache"].map(
        (name) => `-Djib.${name}=${folder.path}/${name}`,
      );
      return run(
        "mvn",
        [...quiet, `${plugin}:build`, ...login, ...insecure, ...image, ...entry, ...caches, ...options],
        { cwd: source },
      );
    };
    await jib(user.password, `-Djib.to.image=${registry.host}/built/jib:v1`, "-Djib.to.tags=latest");
    const remote = registry.remote("built/jib");
    assert.equal((await remote.verify("v1")).digest, await remote.digest("latest"));

    const archive = join(folder.path, "root.tar");
    await registry.run("crane", ["export", `${registry.host}/built/jib:v1`, archive]);
    const root = join(folder.path, "root");
    await mkdir(root);
    await run("tar", ["-C", root, "-xf", archive]);
    const cat = (path: string) => run("chroot", [root, "/bin/busybox", "cat", path]);
    assert.equal(await cat("/greeting"), baseText);
    assert.equal(await cat("/app/resources/greeting.txt"), greeting);

    await assert.rejects(
      jib("wrong", `-Djib.to.image=${registry.host}/built/refused:v1`),
      /401 Unauthorized/,
    );
    await assert.rejects(registry.remote("built/refused").digest("v1"), /404/);
  });
}
