/** What the descriptions of content are made from. */
import type { Services } from "../../registry/services.js";
import type { ClientReader } from "./content-reader.js";

export interface DescribeParts {
  readonly services: Pick<Services, "storage" | "caches" | "rules" | "pulls">;
  readonly reader: ClientReader;
}
