// A registry that requires a login, over plain HTTP on the loopback address, which clients accept there.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startGantry } from "../support/gantry.js";
import { basic, type LoginFiles } from "../support/login.js";
import { type RunOptions, run } from "./support.js";
import { Remote } from "./verify.js";

export const user = { name: "builder", password: "pass:word" };

export interface PrivateRegistry extends AsyncDisposable {
  /** As in an image's name. */
  readonly host: string;
  readonly url: string;
  /** The server's data folder. */
  readonly root: string;
  /** Contains the credentials as stored by `docker login`. */
  readonly dockerConfig: string;
  /** Runs a client with the credentials in `dockerConfig`. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /** Runs a client without credentials. */
  runWithoutLogin(program: string, args: readonly string[], options?: RunOptions): Promise<string>;
  remote(repository: string): Remote;
}

/** Keeps the clients' settings in `folder`. */
export async function startPrivateRegistry(files: LoginFiles, folder: string): Promise<PrivateRegistry> {
  await files.users({ [user.name]: user.password });
  const { REGISTRY_AUTH_HTPASSWD_PATH = "" } = files.settings;
  const gantry = await startGantry({ REGISTRY_AUTH_HTPASSWD_PATH });
  const { host, url, root } = gantry;
  const auth = Buffer.from(`${user.name}:${user.password}`).toString("base64");
  const dockerConfig = await configFolder(join(folder, "logged-in"), { [host]: { auth } });
  const nobody = await configFolder(join(folder, "nobody"), {});
  const as =
    (config: string) =>
    (program: string, args: readonly string[], options: RunOptions = {}) =>
      run(program, args, { ...options, env: { DOCKER_CONFIG: config, ...options.env } });
  return {
    ...{ host, url, root, dockerConfig },
    run: as(dockerConfig),
    runWithoutLogin: as(nobody),
    remote: (repository) => new Remote(url, repository, basic(user.name, user.password)),
    [Symbol.asyncDispose]: () => gantry.stop(),
  };
}

async function configFolder(path: string, auths: object): Promise<string> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "config.json"), JSON.stringify({ auths }));
  return path;
}
