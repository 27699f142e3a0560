/**
 * A page that leads to another one by itself. The browser takes that for a step within this site, and sends the session, which it
 * does not after a redirect that another site has begun.
 */
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { Layout } from "./layout.js";
import { sendPage } from "./send-page.js";

/** `path` is one of this server, from `localTarget`. */
export async function sendOn(context: HttpContext, exchange: Exchange, path: string): Promise<void> {
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title="" next={path}>
      <p>
        <a href={path}>Continue</a>
      </p>
    </Layout>,
  );
}
