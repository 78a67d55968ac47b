// The page Landscape: a figure that fills while networks are trained and measured.

import { AccuracyMap } from "./map.js";

/** What was measured so far: a bar that starts and stops it, and the figure. */
export class Landscape extends AccuracyMap {
  folder = "landscapes";
  parameter = "landscape";
  verb = "Measure";

  get revision() {
    return this.status.revision;
  }

  told() {
    const { status } = this;
    this.bar.value = status.done;
    return `${Math.floor(100 * status.done)} % measured${this.left}. ${status.message}`;
  }

  open() {}
}
