// Takes the pictures in docs/ui.md: each page in both themes, as wide as a desktop and as a phone. `npm run screenshots`.

import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hashSync } from "bcryptjs";
import { type sizes, visit } from "../support/browser.js";
import { Client } from "../support/client.js";
import { type GantrySettings, startGantry } from "../support/gantry.js";
import { basic } from "../support/login.js";
import { whole } from "./crawl.js";
import { pushDemo } from "./demo.js";

const folder = "docs/ui";
const user = "maya";
const password = "correct horse";

/** The pages, by the names of their pictures. */
const pages: Readonly<Record<string, string>> = {
  repositories: "/ui/",
  namespace: "/ui/?in=platform",
  tags: "/ui/r/storefront/api/_tags",
  image: "/ui/r/storefront/api/_image/2.4.1",
  chart: "/ui/r/charts/storefront/_image/3.2.0",
  history: "/ui/r/storefront/api/_history/latest",
  activity: "/ui/activity",
  upstreams: "/ui/upstreams",
  robots: "/ui/robots",
};

const hour = 3_600_000;

/** Makes the tags older, as they are in a registry that is used: the time of a push is that of a file. */
async function spreadTimes(root: string): Promise<void> {
  const files = await readdir(join(root, "manifests"), { recursive: true });
  const pointers = files.filter((file) => file.endsWith("manifest.sha256")).sort();
  for (const [place, file] of pointers.entries()) {
    const at = new Date(Date.now() - (3 + 37 * (place % 11) + 5 * place) * hour);
    await utimes(join(root, "manifests", file), at, at);
  }
}

test("the pages, in both themes and sizes", async () => {
  const root = await mkdtemp(join(tmpdir(), "gantry-screenshots-"));
  try {
    const upstream = await startGantry({});
    await pushDemo(new Client(upstream.url));
    const settings: GantrySettings = {
      REGISTRY_HTTP_UI_ENABLED: "true",
      REGISTRY_STORAGE_DELETE_ENABLED: "true",
      REGISTRY_AUTH_HTPASSWD_REALM: "gantry",
      REGISTRY_AUTH_HTPASSWD_PATH: join(root, "users"),
      REGISTRY_CONFIGURATION_PATH: join(root, "gantry.yaml"),
    };
    await writeFile(join(root, "users"), `${user}:${hashSync(password, 10)}\n`);
    await writeFile(
      join(root, "gantry.yaml"),
      `proxy:\n  upstreams:\n    - { name: upstream.example.com, url: "${upstream.url}" }\n`,
    );
    const data = join(root, "data");
    const first = await startGantry(settings, data);
    const client = new Client(first.url, 4, {}, basic(user, password));
    await pushDemo(client);
    await client.get("/v2/upstream.example.com/storefront/web/manifests/latest");
    await first.stop();
    await spreadTimes(data);
    const server = await startGantry(settings, data);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    for (const theme of ["light", "dark"] as const)
      for (const size of ["desktop", "phone"] as const) await shoot(server.url, theme, size);
    await server.stop();
    await upstream.stop();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

async function shoot(url: string, theme: "light" | "dark", size: keyof typeof sizes): Promise<void> {
  const tab = await visit(url, { theme, size });
  const { page } = tab;
  const picture = async (name: string) => {
    await whole(tab);
    await page.screenshot({
      path: join(folder, `${name}-${theme}-${size}.jpg`),
      type: "jpeg",
      quality: 80,
      fullPage: false,
    });
  };
  await page.goto("/ui/login");
  await picture("login");
  await page.getByLabel("Name", { exact: true }).fill(user);
  await page.getByLabel("Password or robot key").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Repositories" }).waitFor();
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(path);
    await picture(name);
  }
  await tab.context.close();
}
