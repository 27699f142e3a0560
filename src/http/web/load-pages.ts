/** Loads the modules of all pages, so that no visitor waits for them. */
import { webRoutes } from "./routes.js";
import { loadErrorPage } from "./send-error.js";

export async function loadPages(): Promise<void> {
  const { renderFirst } = await import("./first-rendering.js");
  renderFirst();
  const handlers = webRoutes.map(({ handle }) => ("load" in handle ? handle.load() : undefined));
  await Promise.all([...handlers, loadErrorPage()]);
}
