// The moving parts of a page: the transport bar, the two networks' numbers, the figures.
//
// Python mounts a component with the run's id and a figure's name; all the rest happens here, against
// the routes of bnviz/web/app.py, so that nothing on the page is made anew while training runs. One Hub for
// each run asks how it stands and tells the parts; a figure is fetched when it can be seen and what was
// recorded has changed. Streamlit calls the functions at the end of this file again at every rerun
// and theme switch: a part is kept for as long as its element lives.

import { Figure } from "./figure.js";
import { AccuracyMap } from "./map.js";
import { mount } from "./mount.js";
import { Readouts } from "./readouts.js";
import { Transport } from "./transport.js";

export const transport = (component) => mount(Transport, component);
export const readouts = (component) => mount(Readouts, component);
export const figure = (component) => mount(Figure, component);
export const map = (component) => mount(AccuracyMap, component);
