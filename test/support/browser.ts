// A real browser for the tests of the web page: Debian's chromium, driven by playwright-core. One process for a test file.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after } from "node:test";
import type { AxeResults } from "axe-core";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const executable = process.env.GANTRY_CHROMIUM ?? "/usr/bin/chromium";

/** Why there is no browser; `false` if there is one. For the option `skip` of a test. */
export const noBrowser = existsSync(executable)
  ? false
  : "needs chromium: install it, or name its file in GANTRY_CHROMIUM";

/** An element appears within milliseconds; after this time it counts as missing. */
const timeoutMilliseconds = 15_000;

let launched: Promise<Browser> | undefined;

function browser(): Promise<Browser> {
  launched ??= chromium.launch({
    executablePath: executable,
    // As root, which CI runs as, chromium has no sandbox. It loads pages of this machine only.
    args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
  });
  return launched;
}

after(async () => {
  await (await launched)?.close();
});

export interface VisitOptions {
  readonly scripts?: boolean;
  readonly theme?: "light" | "dark";
  /** `phone` is 360 CSS pixels wide. */
  readonly size?: "desktop" | "phone";
}

export const sizes = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 360, height: 740 },
} as const;

/** A tab, and what went wrong in it. */
export interface Visit {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors of scripts, refused content, and requests to other hosts or without success. */
  readonly problems: string[];
}

/** Opens a tab with its own cookies. `url` is the server's; requests to other servers fail. */
export async function visit(url: string, options: VisitOptions = {}): Promise<Visit> {
  const { scripts = true, theme = "light", size = "desktop" } = options;
  const context = await (await browser()).newContext({
    baseURL: url,
    javaScriptEnabled: scripts,
    colorScheme: theme,
    viewport: sizes[size],
    reducedMotion: "reduce",
    ignoreHTTPSErrors: true,
  });
  context.setDefaultTimeout(timeoutMilliseconds);
  const problems: string[] = [];
  await context.route("**/*", async (route) => {
    const asked = route.request().url();
    if (asked.startsWith(url)) return route.continue();
    problems.push(`asked for ${asked}`);
    return route.abort();
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => problems.push(`script: ${error.message}`));
  page.on("dialog", async (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(`console: ${message.text()}`);
  });
  return { page, context, problems };
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Fails if the page has violations of WCAG 2.2 A and AA or of best practices. Needs a visit with scripts. */
export async function assertAccessible({ page }: Visit, what: string): Promise<void> {
  // A page with gaps may be replaced meanwhile.
  await page.locator("main:not([data-pending])").waitFor();
  // Through the debugger: the page's policy allows no script but its own.
  await page.evaluate(axe);
  const { violations } = await page.evaluate<AxeResults>("axe.run()");
  const found = violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} (${help}) at ${target.join(" ")}: ${failureSummary}`),
  );
  assert.deepEqual(found, [], what);
}

/** Fails if the page is wider than the window, so that it must be scrolled sideways. */
export async function assertFits({ page }: Visit, what: string): Promise<void> {
  // Its text may be there before its styles.
  await page.waitForLoadState("load");
  const [content, window] = await page.evaluate<[number, number]>(
    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
  );
  assert.ok(content <= window, `${what}: ${content} pixels wide in a window of ${window}`);
}
