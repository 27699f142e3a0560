/** Creating a robot: a form, a confirmation of what it may do, and its key, which is shown once. */
import type { RobotsPermit } from "../../auth/gate.js";
import { durationSeconds } from "../../config/values.js";
import { RegistryError } from "../../domain/errors.js";
import { type Permission, permissions } from "../../domain/permission.js";
import { isRobotName, robotOfUser, userNameOf } from "../../domain/robot.js";
import { createRobot, type RobotRequest, robotScope } from "../../registry/robot-accounts.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { Confirm } from "./confirm.js";
import { webOf } from "./forms.js";
import { Layout } from "./layout.js";
import { demandLogins, Scopes } from "./robot-parts.js";
import { sendPage } from "./send-page.js";
import { sentence } from "./sentence.js";

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
interface Entered {
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

/** Shows what the robot will be able to do, before it is created. */
export async function getNewRobot(context: HttpContext, exchange: Exchange, _: RobotsPermit): Promise<void> {
  demandLogins(context);
  const entered = enteredIn(new URLSearchParams(exchange.query));
  try {
    await sendConfirmation(context, exchange, entered, requestOf(entered));
  } catch (error) {
    if (!isAboutEntry(error)) throw error;
    await sendAgain(context, exchange, entered, error);
  }
}

/** Creates the robot and shows its key. */
export async function postRobot(
  context: HttpContext,
  exchange: Exchange,
  permit: RobotsPermit,
  form: URLSearchParams,
): Promise<void> {
  demandLogins(context);
  const entered = enteredIn(form);
  try {
    await create(context, exchange, permit, requestOf(entered));
  } catch (error) {
    if (!isAboutEntry(error)) throw error;
    await sendAgain(context, exchange, entered, error);
  }
}

function enteredIn(fields: URLSearchParams): Entered {
  return {
    name: fields.get("name")?.trim() ?? "",
    repositories: fields.get("repositories") ?? "",
    permissions: fields.getAll("permissions"),
    expires: fields.get("expires") ?? "",
  };
}

function fieldsOf({ name, repositories, permissions: granted, expires }: Entered): [string, string][] {
  return [
    ["name", name],
    ["repositories", repositories],
    ...granted.map((permission): [string, string] => ["permissions", permission]),
    ["expires", expires],
  ];
}

const entryErrors: ReadonlySet<string> = new Set(["request-invalid", "robot-exists"]);

function isAboutEntry(error: unknown): error is RegistryError {
  return error instanceof RegistryError && entryErrors.has(error.kind);
}

/** Throws `request-invalid`. */
function requestOf({ name: typed, repositories, permissions: granted, expires }: Entered): RobotRequest {
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

async function create(
  context: HttpContext,
  exchange: Exchange,
  permit: RobotsPermit,
  request: RobotRequest,
): Promise<void> {
  exchange.robot = request.name;
  const { robot, key } = await createRobot(context.services, permit, request);
  const user = userNameOf(robot.name);
  const { publicOrigin } = webOf(context);
  const host = publicOrigin === undefined ? exchange.incoming.host : new URL(publicOrigin).host;
  const title = `${user} was created`;
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={title}>
      <h1>{title}</h1>
      <div class="box">
        <p>This is its key. It is not shown again, because the registry keeps only a hash of it.</p>
        <pre>{key}</pre>
        <p>To log in, with the key on standard input:</p>
        <pre>
          docker login --username {user} --password-stdin {host}
        </pre>
      </div>
      <Scopes scopes={robot.scopes} />
      <p>
        <a href="/ui/robots">All robots</a>
      </p>
    </Layout>,
  );
}

async function sendConfirmation(
  context: HttpContext,
  exchange: Exchange,
  entered: Entered,
  { name, scopes, expiresAfterSeconds }: RobotRequest,
): Promise<void> {
  const title = `Create ${userNameOf(name)}?`;
  const words = lifetimes.find(([value]) => value === entered.expires)?.[1] ?? entered.expires;
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={title}>
      <h1>{title}</h1>
      <p>Anyone with its key can:</p>
      <Scopes scopes={scopes} />
      <p>
        {expiresAfterSeconds === null ? (
          <span class="warn">The key never expires.</span>
        ) : (
          `The key expires ${words}.`
        )}
      </p>
      <Confirm
        context={context}
        exchange={exchange}
        action="/ui/robots"
        fields={fieldsOf(entered)}
        label="Create"
        cancel="/ui/robots"
      />
    </Layout>,
  );
}

async function sendAgain(
  context: HttpContext,
  exchange: Exchange,
  entered: Entered,
  { kind, message }: RegistryError,
): Promise<void> {
  await sendPage(
    exchange,
    kind === "robot-exists" ? 409 : 400,
    <Layout context={context} exchange={exchange} title="Robots">
      <h1>Robots</h1>
      <p class="bad" role="alert">
        {sentence(message)}
      </p>
      <NewRobot entered={entered} />
    </Layout>,
  );
}

function invalid(message: string): RegistryError {
  return new RegistryError("request-invalid", message);
}
