// A registry with users, a robot and a policy, over TLS with a private CA, on a separate machine.

import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cli } from "../support/cli.js";
import { startGantry } from "../support/gantry.js";
import { basic, type LoginFiles, newRobot } from "../support/login.js";
import { newAuthority } from "../support/tls.js";
import type { Caller, User } from "./login-clients.js";
import { address, hostName, type Machine } from "./machine.js";

export const developer: User = { name: "dev", password: "pass:word, with ünicode" };

const policy = `rules:
  - { repositories: "public/**", anonymous: true, allow: pull }
  - { repositories: ["public/**", "private/**"], users: ${developer.name}, allow: [pull, push] }
  - { repositories: "**", authenticated: true, allow: pull }
`;

const verifier = fileURLToPath(new URL("verify-there.js", import.meta.url));

export interface LoginRegistry extends AsyncDisposable {
  /** As in an image's name. */
  readonly host: string;
  readonly root: string;
  /** May pull everything. */
  readonly robot: User;
  /** A caller without stored credentials yet, in a separate folder below `folder`. */
  caller(folder: string, user?: User): Promise<Caller>;
  /** Runs `work` on a machine that trusts only this CA. */
  trusting(caPem: string, work: () => Promise<void>): Promise<void>;
  /** Returns the digest of a repository's `latest`, after fetching and comparing everything below it. */
  verify(repository: string): Promise<string>;
}

/** Keeps its settings in `files`. */
export async function startLoginRegistry(
  machine: Machine,
  files: LoginFiles,
  challenge: "basic" | "bearer",
): Promise<LoginRegistry> {
  await files.users({ [developer.name]: developer.password });
  await files.policy(policy);
  const authority = await newAuthority("a private CA");
  const issued = await authority.issue(hostName, { names: [{ type: "dns", value: hostName }] });
  const settings = {
    REGISTRY_HTTP_ADDR: `${address}:0`,
    REGISTRY_HTTP_TLS_CERTIFICATE: await files.write("server.pem", issued.pem),
    REGISTRY_HTTP_TLS_KEY: await files.write("server.key", issued.keyPem),
    REGISTRY_AUTH_CHALLENGE: challenge,
    ...files.settings,
  };
  const gantry = await startGantry(settings, undefined, [...machine.enter, process.execPath, cli]);
  const host = `${hostName}:${new URL(gantry.url).port}`;
  const trust = async (pem: string) => {
    await machine.trust(host, pem);
    return files.write("ca.pem", pem);
  };
  const ca = await trust(authority.pem);
  const { user: name, key: password } = await newRobot(gantry.root, "reader", "--scope", "**:pull");
  const { Authorization = "" } = basic(developer.name, developer.password);
  return {
    host,
    root: gantry.root,
    robot: { name, password },
    async caller(parent, user) {
      const own = await mkdtemp(join(parent, "caller-"));
      // podman needs it.
      await writeFile(join(own, "auth.json"), "{}");
      const env = {
        HOME: own,
        DOCKER_CONFIG: own,
        REGISTRY_AUTH_FILE: join(own, "auth.json"),
        // For Go programs without a folder for certificates.
        SSL_CERT_FILE: ca,
      };
      const run: Caller["run"] = (program, args, input = "") => machine.run(program, args, { env, input });
      return { run, host, folder: own, user };
    },
    async trusting(caPem, work) {
      await trust(caPem);
      try {
        await work();
      } finally {
        await trust(authority.pem);
      }
    },
    verify: (repository) =>
      machine.run(process.execPath, [verifier, `https://${host}`, repository, "latest"], {
        env: { NODE_EXTRA_CA_CERTS: ca, AUTHORIZATION: Authorization },
      }),
    [Symbol.asyncDispose]: () => gantry.stop(),
  };
}
