/** Finds the records of a segment, and tells the end of the journal from damage. */
import {
  aligned,
  alignment,
  hasMagic,
  headerBytes,
  type PlacedRecord,
  recordAt,
  secretAt,
} from "./record.js";

export interface SegmentScan {
  readonly records: readonly PlacedRecord[];
  /** Where acknowledged records were, which cannot be read. */
  readonly damagedAt: readonly number[];
}

/**
 * Only records with the secret count, because a segment has bytes of blobs, and a client may have made some that look like a
 * record. If nobody knows the secret any more, it is that of the first record, which begins where no such bytes can be.
 *
 * A segment is written again from its start. So it ends with the first record that is incomplete, or older than the one
 * before. It is damaged there if an intact record of a later group follows: that was written after a sync of all before it.
 * Records of generations below `mark` are of no use, nor signs of damage.
 */
export function scanSegment(segment: Buffer, mark: number, known?: bigint): SegmentScan {
  const secret = known ?? secretAt(segment, 0);
  const records: PlacedRecord[] = [];
  const damagedAt: number[] = [];
  if (secret === undefined) return { records, damagedAt: isBlank(segment) ? [] : [0] };
  let last = 0;
  for (let position = 0; ; ) {
    const found = recordAt(segment, position, secret);
    if (found !== undefined && found.sequence > last) {
      records.push(found);
      last = found.sequence;
      position += aligned(found.length);
      continue;
    }
    const later = laterGroup(segment, position, { last, mark, secret });
    if (later === undefined) {
      if (position === 0 && isForeign(segment)) damagedAt.push(0);
      return { records, damagedAt };
    }
    damagedAt.push(position);
    position = later;
  }
}

/** Returns the position of the first record after `position` that was written after what should be there. */
function laterGroup(
  segment: Buffer,
  position: number,
  { last, mark, secret }: { last: number; mark: number; secret: bigint },
): number | undefined {
  for (let at = position + alignment; at < segment.length; at += alignment) {
    const found = recordAt(segment, at, secret);
    if (found === undefined || found.sequence <= last || found.generation < mark) continue;
    if (found.groupStart > position) return at;
  }
  return undefined;
}

/** A worker writes the first record of a segment over zeros, or over another one. */
function isForeign(segment: Buffer): boolean {
  return !isBlank(segment.subarray(0, 4)) && !hasMagic(segment, 0);
}

function isBlank(segment: Buffer): boolean {
  return segment.subarray(0, headerBytes).every((byte) => byte === 0);
}
