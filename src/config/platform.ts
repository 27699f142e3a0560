/** A platform of images, such as `linux/amd64` or `linux/arm/v7` (image-spec, image index, `platform`). */
import { text } from "./values.js";

/** Names that tools such as uname have for architectures, and what images have instead. */
const architectures: ReadonlyMap<string, string> = new Map([
  ["aarch64", "arm64"],
  ["armhf", "arm/v7"],
  ["armv7l", "arm/v7"],
  ["i386", "386"],
  ["x64", "amd64"],
  ["x86", "386"],
  ["x86_64", "amd64"],
]);

export const platform = text
  .regex(/^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9]+)?$/, "expected a platform such as linux/amd64")
  .superRefine((value, context) => {
    const [system = "", architecture = ""] = value.split("/");
    const known = architectures.get(architecture);
    if (known === undefined) return;
    context.addIssue({ code: "custom", message: `images name this platform ${system}/${known}` });
  });
