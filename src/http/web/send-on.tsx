/**
 * A page that goes on to another one by a meta refresh. The browser counts this as navigation within the site, and so sends the
 * strict session cookie, which it withholds after a redirect that another site has begun.
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
