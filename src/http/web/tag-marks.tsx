/** What a row of the list of tags says beside the tag: what is attached to its image, or what the tag itself attaches. */
import type { AttachedMarks } from "../../browse/graph/relations.js";
import { type AttachmentKind, attachmentOf } from "../../domain/attachment-tag.js";
import type { Tag } from "../../domain/reference.js";
import { ShortDigest } from "./show.js";

const attachmentTitles: Readonly<Record<AttachmentKind, string>> = {
  signature: "signature of",
  attestation: "attestation of",
  sbom: "SBOM of",
  referrers: "referrers of",
};

interface TagMarksProps {
  readonly tag: Tag;
  /** Absent as long as they are not known. */
  readonly marks: AttachedMarks | undefined;
}

export function TagMarks({ tag, marks }: TagMarksProps) {
  const attachment = attachmentOf(tag);
  if (attachment !== undefined)
    return (
      <div class="note">
        {attachmentTitles[attachment.kind]}{" "}
        <a href={`_image/${attachment.subject}`}>
          <ShortDigest digest={attachment.subject} />
        </a>
      </div>
    );
  return (
    <>
      {marks?.signed && <span class="tag">signed</span>} {marks?.sbom && <span class="tag">SBOM</span>}
    </>
  );
}
