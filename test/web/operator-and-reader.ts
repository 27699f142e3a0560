// Two users: an operator, and a reader who sees a part of the registry.

import { LoginFiles } from "../support/login.js";

/** Returns settings. The operator, password `1`, may do all; the reader, password `2`, pulls from `readable`. */
export async function operatorAndReader(readable: string): Promise<LoginFiles["settings"]> {
  const files = await LoginFiles.make();
  await files.users({ operator: "1", reader: "2" });
  await files.policy(`
metrics: { users: operator }
rules:
  - { repositories: "**", users: operator, allow: admin }
  - { repositories: "${readable}", users: reader, allow: pull }
`);
  return { ...files.settings, REGISTRY_HTTP_UI_ENABLED: "true" };
}
