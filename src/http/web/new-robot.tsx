/** Creates a robot: shows what it may do, asks for confirmation, and shows its key once. */
import type { RobotsPermit } from "../../auth/gate.js";
import { RegistryError } from "../../domain/errors.js";
import { type Robot, userNameOf } from "../../domain/robot.js";
import { createRobot, listRobots, type RobotRequest } from "../../registry/robot-accounts.js";
import type { HttpContext } from "../context.js";
import { renderError } from "../errors.js";
import type { Exchange } from "../exchange.js";
import { targetOf } from "./client-target.js";
import { Confirm } from "./confirm.js";
import { Layout } from "./layout.js";
import { type Entered, enteredIn, expiryText, fieldsOf, NewRobot, requestOf } from "./robot-form.js";
import { requireLogins, Scopes } from "./robot-parts.js";
import { revocationUrl } from "./robots.js";
import { sendPage } from "./send-page.js";
import { sentence } from "./sentence.js";

/** A second click on the button, which hides the answer to the first one with the key, comes within this time. */
const justNowMilliseconds = 60_000;

/** Shows what the robot will be able to do, before it is created. */
export async function getNewRobot(context: HttpContext, exchange: Exchange, _: RobotsPermit): Promise<void> {
  requireLogins(context);
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
  requireLogins(context);
  const entered = enteredIn(form);
  try {
    await create(context, exchange, permit, requestOf(entered));
  } catch (error) {
    if (!isAboutEntry(error)) throw error;
    const taken =
      error.kind === "robot-exists"
        ? listRobots(context.services, permit).find(({ name }) => name === exchange.robot)
        : undefined;
    await sendAgain(context, exchange, entered, error, taken);
  }
}

const entryErrors: ReadonlySet<string> = new Set(["request-invalid", "robot-exists"]);

function isAboutEntry(error: unknown): error is RegistryError {
  return error instanceof RegistryError && entryErrors.has(error.kind);
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
  const { host } = targetOf(context, exchange);
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
          `The key expires ${expiryText(entered)}.`
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
  error: RegistryError,
  taken?: Robot,
): Promise<void> {
  const { status, message } = renderError(error);
  await sendPage(
    exchange,
    status,
    <Layout context={context} exchange={exchange} title="Robots">
      <h1>Robots</h1>
      <p class="bad" role="alert">
        {taken === undefined ? sentence(message) : <Taken robot={taken} />}
      </p>
      <NewRobot entered={entered} />
    </Layout>,
  );
}

/** Says that the name is taken. Without JavaScript, a double click on the button leads here, and the key is lost. */
function Taken({ robot: { name, createdAt } }: { readonly robot: Robot }) {
  const url = revocationUrl(name);
  if (Date.now() - createdAt < justNowMilliseconds)
    return (
      <>
        A robot of this name was created just now. If you do not have its key, <a href={url}>revoke it</a> and
        create it again.
      </>
    );
  return (
    <>
      {userNameOf(name)} already exists. To create it again, <a href={url}>revoke it</a> first.
    </>
  );
}
