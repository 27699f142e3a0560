/** Parts of the pages about robots. */

import { RegistryError } from "../../domain/errors.js";
import type { RobotScope } from "../../domain/robot.js";
import { count } from "../../lib/format.js";
import type { HttpContext } from "../context.js";

/** Scopes of one robot that are shown, and patterns of each. */
const scopesShown = 3;
const patternsShown = 3;
const patternCharactersShown = 60;

/** Throws `denied` on a server without logins, where a robot could not log in. */
export function requireLogins({ login }: HttpContext): void {
  if (login === undefined)
    throw new RegistryError(
      "denied",
      "this registry has no logins, so a robot could not log in: configure auth first",
    );
}

/** The scopes of a robot; of many, the first ones. */
export function Scopes({ scopes }: { readonly scopes: readonly RobotScope[] }) {
  const more = scopes.length - scopesShown;
  return (
    <>
      {scopes.slice(0, scopesShown).map((scope) => (
        <div>
          {scope.permissions.join(", ")}: <Patterns patterns={scope.repositories} />
        </div>
      ))}
      {more > 0 && <div class="dim">and {count(more, "more scope")}</div>}
    </>
  );
}

function Patterns({ patterns }: { readonly patterns: readonly string[] }) {
  const more = patterns.length - patternsShown;
  return (
    <>
      {patterns.slice(0, patternsShown).map((pattern, index) => (
        <>
          {index > 0 && ", "}
          <code>
            {pattern.length > patternCharactersShown
              ? `${pattern.slice(0, patternCharactersShown)}…`
              : pattern}
          </code>
        </>
      ))}
      {more > 0 && <span class="dim"> and {more} more</span>}
    </>
  );
}
