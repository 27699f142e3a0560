/**
 * The robot accounts, in memory and backed by the storage. Operators create, list and revoke them; robots log in with their keys.
 * Revoking takes effect immediately.
 */

import type { Changes } from "../cluster/cluster.js";
import { patternFault } from "../domain/patterns.js";
import { isRobotName, type Robot, type RobotName, type RobotScope, robotOfUser } from "../domain/robot.js";
import { each } from "../lib/each.js";
import { KeyedLock } from "../lib/keyed-lock.js";
import type { RobotStore } from "../storage/storage.js";
import type { Grants, Identity, PasswordVerifier } from "./identity.js";
import { compileGrant, grantsOfAll } from "./pattern-grants.js";
import { hashOfKey, isKeyOf, newRobotKey } from "./robot-key.js";

/** Precision of the stored times of use, so that a busy robot is saved once an hour. */
const usedResolutionMilliseconds = 3_600_000;

/** Matches no key, so that an unknown robot takes as long as a known one. */
const noHash = "0".repeat(64);

interface Entry {
  robot: Robot;
  readonly identity: Identity;
  /** The time of the last use, if it is not stored yet. */
  unsavedUse: number | undefined;
}

export class Robots implements PasswordVerifier {
  readonly #entries = new Map<RobotName, Entry>();
  readonly #locks = new KeyedLock<RobotName>();
  /** Shared by changes of one robot, exclusive for reading all of them again. */
  readonly #readings = new KeyedLock<"all">();

  private constructor(
    readonly store: RobotStore,
    readonly changes: Changes,
  ) {}

  static async load(store: RobotStore, changes: Changes): Promise<Robots> {
    const robots = new Robots(store, changes);
    changes.subscribe(({ kind }, origin) =>
      kind === "lost" || (kind === "robot-changed" && origin === "elsewhere") ? robots.#read() : undefined,
    );
    await robots.#read();
    return robots;
  }

  /** Reads all robots from the store, which another node may have changed. */
  #read(): Promise<void> {
    return this.#readings.exclusive("all", async () => {
      const gone = new Set(this.#entries.keys());
      for await (const robot of this.store.all()) {
        gone.delete(robot.name);
        // A known robot keeps the time of its last use.
        if (this.#entries.get(robot.name)?.robot.keyHash !== robot.keyHash) this.#enter(robot);
      }
      for (const name of gone) this.#entries.delete(name);
    });
  }

  #change<T>(name: RobotName, work: () => Promise<T>): Promise<T> {
    return this.#readings.shared("all", () => this.#locks.exclusive(name, work));
  }

  /** Creates a robot and returns its key, which is not shown again. Returns undefined if the name is taken. */
  async create(
    name: RobotName,
    scopes: readonly RobotScope[],
    expiresAt: number | undefined,
  ): Promise<{ readonly robot: Robot; readonly key: string } | undefined> {
    const key = newRobotKey();
    const robot: Robot = { name, keyHash: hashOfKey(key), scopes, createdAt: Date.now(), expiresAt };
    return (await this.add(robot)) === robot ? { robot, key } : undefined;
  }

  /** Adds a robot of another store, whose key continues to work. Returns the robot that has the name afterwards. */
  async add(robot: Robot): Promise<Robot> {
    const { name } = robot;
    const there = await this.#change(name, async () => {
      const known = this.#entries.get(name);
      if (known !== undefined) return known.robot;
      await this.store.put(robot);
      this.#enter(robot);
      return undefined;
    });
    if (there !== undefined) return there;
    await this.changes.publish({ kind: "robot-changed", robot: name });
    return robot;
  }

  /** Revokes a robot and returns whether it existed. It is locked out at once; if this rejects, a restart may restore it. */
  async revoke(name: RobotName): Promise<boolean> {
    try {
      return await this.#change(name, async () => {
        const known = this.#entries.delete(name);
        return (await this.store.remove(name)) || known;
      });
    } finally {
      await this.changes.publish({ kind: "robot-changed", robot: name });
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Returns all robots by name, including expired ones. */
  list(): Robot[] {
    return [...this.#entries.values()].map(withUse).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  verify(user: string, password: string): Identity | undefined {
    const name = robotOfUser(user);
    if (name === undefined) return undefined;
    const entry = this.#entries.get(name);
    const matches = isKeyOf(password, entry?.robot.keyHash ?? noHash);
    if (!matches || entry === undefined || !isAlive(entry)) return undefined;
    note(entry);
    return entry.identity;
  }

  isCurrent({ kind, name, version }: Identity): boolean | undefined {
    if (kind !== "robot") return undefined;
    const entry = isRobotName(name) ? this.#entries.get(name) : undefined;
    if (entry === undefined || entry.identity.version !== version || !isAlive(entry)) return false;
    note(entry);
    return true;
  }

  /** Returns the limit of a robot, or undefined for other identities. */
  limitOf({ kind, name }: Identity): Grants | undefined {
    return kind === "robot" && isRobotName(name) ? this.#entries.get(name)?.identity.limit : undefined;
  }

  /** Stores new times of use. Rejects if some could not be stored; they are tried again next time. */
  async saveUses(): Promise<void> {
    await each(this.#entries, async ([name, entry]) => {
      if (entry.unsavedUse === undefined) return;
      await this.#change(name, async () => {
        // A robot that was revoked meanwhile must not be stored again.
        if (this.#entries.get(name) !== entry) return;
        const used = withUse(entry);
        await this.store.put(used);
        entry.robot = used;
        entry.unsavedUse = undefined;
      });
    });
  }

  #enter(robot: Robot): void {
    const entry = { robot, identity: identityOf(robot), unsavedUse: undefined };
    this.#entries.set(robot.name, entry);
  }
}

function isAlive({ robot }: Entry): boolean {
  return robot.expiresAt === undefined || Date.now() < robot.expiresAt;
}

function note(entry: Entry): void {
  const now = Date.now();
  const before = entry.unsavedUse ?? entry.robot.usedAt;
  if (before === undefined || now - before >= usedResolutionMilliseconds) entry.unsavedUse = now;
}

function withUse({ robot, unsavedUse }: Entry): Robot {
  return unsavedUse === undefined ? robot : { ...robot, usedAt: unsavedUse };
}

/** A robot of an earlier version may have patterns that are no longer valid. They grant nothing. */
function readable({ repositories, permissions }: RobotScope): RobotScope {
  return {
    repositories: repositories.filter((pattern) => patternFault(pattern) === undefined),
    permissions,
  };
}

/** The scopes alone decide what a robot may do. The policy need not name it. */
function identityOf({ name, keyHash, scopes }: Robot): Identity {
  return {
    kind: "robot",
    subject: `robot:${name}`,
    name,
    groups: [],
    // 96 bits of the hash of 256 random bits, which do not reveal the key.
    version: keyHash.slice(0, 24),
    claims: {},
    limit: grantsOfAll(scopes.map(readable).map(compileGrant)),
    limitDecides: true,
    token: undefined,
  };
}
