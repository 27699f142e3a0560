/** The robot accounts: a list, and revoking one after a confirmation. */
import type { RobotsPermit } from "../../auth/gate.js";
import { RegistryError } from "../../domain/errors.js";
import { isRobotName, type Robot, type RobotName, userNameOf } from "../../domain/robot.js";
import { listRobots, revokeRobot } from "../../registry/robot-accounts.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { Confirm } from "./confirm.js";
import { Layout } from "./layout.js";
import { Notice, withNotice } from "./notice.js";
import { Paging } from "./paging.js";
import { redirect } from "./redirect.js";
import { NewRobot } from "./robot-form.js";
import { requireLogins, Scopes } from "./robot-parts.js";
import { sendPage } from "./send-page.js";
import { When } from "./show.js";
import { TableHead } from "./table-head.js";

/** With long scopes, a page has 40 KB. */
const pageRobots = 50;

export async function getRobots(
  context: HttpContext,
  exchange: Exchange,
  permit: RobotsPermit,
): Promise<void> {
  requireLogins(context);
  const after = new URLSearchParams(exchange.query).get("after") ?? "";
  const robots = listRobots(context.services, permit);
  const rest = robots.filter(({ name }) => name > after);
  const shown = rest.slice(0, pageRobots);
  const last = rest.length > shown.length ? shown.at(-1) : undefined;
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title="Robots">
      <h1>Robots</h1>
      <Notice context={context} exchange={exchange} />
      <p>
        Robots are logins for programs. Each has a key of its own and may do exactly what its scopes allow.
      </p>
      {shown.length === 0 ? <p class="dim">There are no robots yet.</p> : <RobotTable robots={shown} />}
      <Paging label="More robots" next={last && `/ui/robots?${new URLSearchParams({ after: last.name })}`} />
      <NewRobot />
    </Layout>,
  );
}

function RobotTable({ robots }: { readonly robots: readonly Robot[] }) {
  const now = Date.now();
  return (
    <div class="scroll">
      <table class="stack">
        <TableHead columns={["User name", "May", "Created", "Expires", "Last use", { hidden: "Action" }]} />
        <tbody>
          {robots.map(({ name, scopes, createdAt, expiresAt, usedAt }) => (
            <tr>
              <td>{userNameOf(name)}</td>
              <td data-label="May">
                <Scopes scopes={scopes} />
              </td>
              <td data-label="Created">
                <When at={createdAt} now={now} />
              </td>
              <td data-label="Expires">
                <Expiry at={expiresAt} now={now} />
              </td>
              <td data-label="Last use">
                {usedAt === undefined ? <span class="dim">never</span> : <When at={usedAt} now={now} />}
              </td>
              <td>
                <a href={revocationUrl(name)} aria-label={`Revoke ${userNameOf(name)}`}>
                  Revoke
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Expiry({ at, now }: { readonly at: number | undefined; readonly now: number }) {
  if (at === undefined) return <span class="dim">never</span>;
  return (
    <>
      <When at={at} now={now} />
      {at <= now && <span class="warn"> (expired)</span>}
    </>
  );
}

export function revocationUrl(name: RobotName): string {
  return `/ui/robots/revoke?${new URLSearchParams({ robot: name })}`;
}

export async function getRevocation(
  context: HttpContext,
  exchange: Exchange,
  permit: RobotsPermit,
): Promise<void> {
  requireLogins(context);
  const name = nameOf(new URLSearchParams(exchange.query).get("robot"));
  const robot = listRobots(context.services, permit).find((one) => one.name === name);
  if (robot === undefined) throw new RegistryError("robot-unknown", `there is no ${userNameOf(name)}`);
  const { usedAt } = robot;
  const title = `Revoke ${userNameOf(name)}?`;
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={title}>
      <h1>{title}</h1>
      <p>
        Its key, and tokens issued for it, are refused from then on, in all programs that use it. It{" "}
        {usedAt === undefined ? (
          "has never been used"
        ) : (
          <>
            was last used <When at={usedAt} />
          </>
        )}
        .
      </p>
      <Scopes scopes={robot.scopes} />
      <Confirm
        context={context}
        exchange={exchange}
        action="/ui/robots/revoke"
        fields={[["robot", name]]}
        label="Revoke"
        isDestructive
        cancel="/ui/robots"
      />
    </Layout>,
  );
}

export async function postRevocation(
  context: HttpContext,
  exchange: Exchange,
  permit: RobotsPermit,
  form: URLSearchParams,
): Promise<void> {
  requireLogins(context);
  const name = nameOf(form.get("robot"));
  exchange.robot = name;
  await revokeRobot(context.services, permit, name);
  redirect(exchange, withNotice(context, exchange, "/ui/robots", "revoked"));
}

function nameOf(text: string | null): RobotName {
  if (text !== null && isRobotName(text)) return text;
  throw new RegistryError("request-invalid", "this is not the name of a robot");
}
