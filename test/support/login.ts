// The requirements of a server with logins: users with passwords, a policy, and the credentials of clients.

import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { hashSync } from "bcryptjs";
import type { Answer, Client } from "./client.js";
import { gantry } from "./command.js";
import type { GantrySettings } from "./gantry.js";

/** The lowest cost: tests are about access, not duration. */
const bcryptCost = 4;

export type Headers = Readonly<Record<string, string>>;

export function basic(user: string, password: string): Headers {
  return { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` };
}

export function bearer(token: string): Headers {
  return { Authorization: `Bearer ${token}` };
}

export interface TokenAnswer {
  readonly token: string;
  readonly access_token: string;
  readonly expires_in: number;
  readonly issued_at: string;
  readonly scope: string;
  readonly refresh_token?: string;
}

export function tokenIn(answer: Answer): TokenAnswer {
  assert.equal(answer.status, 200, answer.body.toString());
  return answer.json() as TokenAnswer;
}

/** Returns a token of the server for these scopes. */
export async function tokenFor(
  client: Client,
  credentials: Headers,
  ...scopes: readonly string[]
): Promise<string> {
  const query = new URLSearchParams({ service: "gantry" });
  for (const scope of scopes) query.append("scope", scope);
  return tokenIn(await client.get(`/token?${query}`, credentials)).token;
}

/** The files that define users and access, in a folder that is removed with the test. */
export class LoginFiles {
  /** Lines of the users so far: an unchanged user keeps their entry. */
  readonly #lines = new Map<string, string>();

  private constructor(readonly folder: string) {}

  /** Call it before the file's first test. */
  static async make(): Promise<LoginFiles> {
    const folder = await mkdtemp(join(tmpdir(), "gantry-login-"));
    after(() => rm(folder, { recursive: true, force: true }));
    return new LoginFiles(folder);
  }

  get settings(): GantrySettings {
    return { REGISTRY_AUTH_HTPASSWD_PATH: this.#users, REGISTRY_AUTH_POLICY: this.#policy };
  }

  get #users(): string {
    return join(this.folder, "users");
  }

  get #policy(): string {
    return join(this.folder, "policy.yaml");
  }

  /** Users by name, with their passwords. */
  users(passwords: Readonly<Record<string, string>>): Promise<string> {
    const lines = Object.entries(passwords).map(([name, password]) => this.#lineOf(name, password));
    return this.write("users", lines.join(""));
  }

  #lineOf(name: string, password: string): string {
    const key = `${name}:${password}`;
    const line = this.#lines.get(key) ?? `${name}:${hashSync(password, bcryptCost)}\n`;
    this.#lines.set(key, line);
    return line;
  }

  /** YAML. */
  policy(text: string): Promise<string> {
    return this.write("policy.yaml", text);
  }

  /** Replaces the file, and returns its path. */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.folder, name);
    await writeFile(`${path}.new`, text);
    await rename(`${path}.new`, path);
    return path;
  }
}

export interface RobotLogin {
  readonly user: string;
  readonly key: string;
}

/** Creates a robot with the operator's command. */
export async function newRobot(
  root: string,
  name: string,
  ...options: readonly string[]
): Promise<RobotLogin> {
  const ran = await gantry(root, ["token", "create", name, ...options, "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  return ran.json<RobotLogin>();
}

export async function revokeRobot(root: string, name: string): Promise<void> {
  const ran = await gantry(root, ["token", "revoke", name]);
  assert.equal(ran.code, 0, ran.stderr);
}
