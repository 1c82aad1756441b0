/** What one reader of changes received, checked as it arrives. */

/** One stream of server-sent events, as text in pieces that may be cut anywhere. */
export class StreamCheck {
  /** The last version; -1 before the first. */
  version = -1;
  changes = 0;
  snapshots = 0;
  /** The first thing that was wrong: a version that is missing, comes twice or goes back. */
  fault: string | undefined;
  #rest = "";

  /** Takes a piece; gives the data of its last event. */
  feed(piece: string): string | undefined {
    const text = this.#rest + piece;
    let start = text.indexOf("id: ");
    let last: string | undefined;
    while (start >= 0) {
      const end = text.indexOf("\n\n", start);
      if (end < 0) break;
      const [id = "", event = "", data = ""] = text.slice(start, end).split("\n");
      this.#take(Number(id.slice(4)), event.slice(7));
      last = data.slice(6);
      start = text.indexOf("id: ", end);
    }
    // Between two events are comments and the sizes of chunks, which may be cut as "i" and "d: ".
    this.#rest = start >= 0 ? text.slice(start) : text.slice(-3);
    return last;
  }

  #take(version: number, event: string): void {
    const isNext = version === this.version + 1;
    if (event === "snapshot") this.snapshots += 1;
    else this.changes += 1;
    const fits = event === "snapshot" ? version > this.version : isNext;
    if (!fits) this.fault ??= `${event} ${version} after version ${this.version}`;
    this.version = version;
  }
}
