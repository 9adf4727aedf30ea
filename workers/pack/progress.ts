// Progress reports of long operations on large files.

interface Progress {
  /** What is being worked on, for people. */
  readonly what: string;
  /** Bytes. */
  readonly done: number;
  readonly total: number;
}

export type OnProgress = (progress: Progress) => void;

/** Counts bytes towards `total` and reports each addition. */
export function countBytes(total: number, onProgress: OnProgress): (what: string, bytes: number) => void {
  let done = 0;
  return (what, bytes) => {
    done += bytes;
    onProgress({ what, done, total });
  };
}
