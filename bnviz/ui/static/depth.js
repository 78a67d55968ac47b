// The page Depth: its figure fills in while networks are measured or trained, as the map does.

import { AccuracyMap } from "./map.js";

const ROOM = 760; // px

/** A bar that starts and stops the work, and the figure. data: action and counted say in words what is done. */
export class NetworksInDepth extends AccuracyMap {
  constructor(node) {
    super(node);
    this.menu.name("the networks");
    this.table.name("The networks");
    this.bar.setAttribute("aria-label", "Networks done");
  }

  update(component) {
    const { action, counted } = component.data;
    Object.assign(this, { verb: action, counted });
    super.update(component);
  }

  /** Three panels in a row need more room than two. */
  get narrow() {
    return this.plot.narrow || this.node.clientWidth < ROOM;
  }

  open() {}
}
