/** The form for a new robot, and what it contains. */
import { durationSeconds } from "../../config/values.js";
import { RegistryError } from "../../domain/errors.js";
import { type Permission, permissions } from "../../domain/permission.js";
import { isRobotName, robotOfUser } from "../../domain/robot.js";
import { type RobotRequest, robotScope } from "../../registry/robot-accounts.js";

const lifetimes = [
  ["1d", "in a day"],
  ["30d", "in 30 days"],
  ["90d", "in 90 days"],
  ["365d", "in a year"],
  ["never", "never"],
] as const;

const lifetimeDefault = "90d";

const explained: Readonly<Record<Permission, string>> = {
  pull: "read images and tags",
  push: "store images, and move tags",
  "create-tag": "store images with new tags, but move none",
  delete: "delete images and tags",
  admin: "all of these",
};

/** What the visitor has entered, to be shown again. */
export interface Entered {
  readonly name: string;
  readonly repositories: string;
  readonly permissions: readonly string[];
  readonly expires: string;
}

const nothing: Entered = { name: "", repositories: "", permissions: ["pull"], expires: lifetimeDefault };

export function NewRobot({ entered = nothing }: { readonly entered?: Entered }) {
  return (
    <>
      <h2>New robot</h2>
      <form class="box" action="/ui/robots/new">
        <p class="field">
          <label for="name">Name</label>
          <input
            id="name"
            name="name"
            required
            maxlength={64}
            autocomplete="off"
            autocapitalize="none"
            aria-describedby="name-note"
            value={entered.name}
          />
          <span id="name-note" class="dim">
            Lower-case letters and digits, with single . _ or - between them. It logs in as robot- and this
            name.
          </span>
        </p>
        <p class="field">
          <label for="repositories">Repositories</label>
          <textarea
            id="repositories"
            name="repositories"
            required
            rows={3}
            autocapitalize="none"
            aria-describedby="repositories-note"
          >
            {entered.repositories}
          </textarea>
          <span id="repositories-note" class="dim">
            A pattern on each line, such as <code>team/web</code> or <code>ci/**</code>
          </span>
        </p>
        <fieldset>
          <legend>It may</legend>
          {permissions.map((permission) => (
            <div>
              <label>
                <input
                  type="checkbox"
                  name="permissions"
                  value={permission}
                  checked={entered.permissions.includes(permission)}
                />{" "}
                {permission} <span class="dim">({explained[permission]})</span>
              </label>
            </div>
          ))}
        </fieldset>
        <p class="field">
          <label for="expires">Key expires</label>
          <select id="expires" name="expires">
            {lifetimes.map(([value, words]) => (
              <option value={value} selected={value === entered.expires}>
                {words}
              </option>
            ))}
          </select>
        </p>
        <button class="main" type="submit">
          Continue
        </button>
      </form>
    </>
  );
}

export function enteredIn(fields: URLSearchParams): Entered {
  return {
    name: fields.get("name")?.trim() ?? "",
    repositories: fields.get("repositories") ?? "",
    permissions: fields.getAll("permissions"),
    expires: fields.get("expires") ?? "",
  };
}

/** The hidden fields with which a form sends the same again. */
export function fieldsOf({ name, repositories, permissions: granted, expires }: Entered): [string, string][] {
  return [
    ["name", name],
    ["repositories", repositories],
    ...granted.map((permission): [string, string] => ["permissions", permission]),
    ["expires", expires],
  ];
}

/** Returns when the key expires, such as `in 30 days`. */
export function expiryText({ expires }: Entered): string {
  return lifetimes.find(([value]) => value === expires)?.[1] ?? expires;
}

/** Throws `request-invalid`. */
export function requestOf({
  name: typed,
  repositories,
  permissions: granted,
  expires,
}: Entered): RobotRequest {
  const name = robotOfUser(typed) ?? typed;
  if (!isRobotName(name))
    throw invalid(
      "the name is not a robot's: use lower-case letters and digits, with single . _ or - between them",
    );
  const patterns = repositories.split(/[\s,]+/).filter((pattern) => pattern !== "");
  if (patterns.length === 0) throw invalid("enter a repository pattern, such as ci/**");
  if (granted.length === 0) throw invalid("select at least one permission");
  if (!lifetimes.some(([value]) => value === expires))
    throw invalid("the time until the key expires is not one of those in the form");
  return {
    name,
    scopes: [robotScope([...new Set(patterns)], [...new Set(granted)])],
    expiresAfterSeconds: durationSeconds(expires) ?? null,
  };
}

function invalid(message: string): RegistryError {
  return new RegistryError("request-invalid", message);
}
