// The parts of a page that follow a run: the transport bar, the networks' numbers, the figures.
//
// Python mounts a component with the run's id and a figure's name. The rest happens here, by the routes of
// bnviz/web, so that no element is replaced while training runs. One Hub for each run asks how it stands and
// tells the parts; a figure is fetched when it is in sight and something new was recorded. Streamlit calls the
// functions at the end of this file again at every rerun and theme switch; a part lives as long as its element.

import { NetworksInDepth } from "./depth.js";
import { Figure } from "./figure.js";
import { Landscape } from "./landscape.js";
import { AccuracyMap } from "./map.js";
import { LessonTold } from "./lesson.js";
import { mount } from "./mount.js";
import { Readouts } from "./readouts.js";
import { Transport } from "./transport.js";

export const transport = (component) => mount(Transport, component);
export const readouts = (component) => mount(Readouts, component);
export const lesson = (component) => mount(LessonTold, component);
export const figure = (component) => mount(Figure, component);
export const depth = (component) => mount(NetworksInDepth, component);
export const map = (component) => mount(AccuracyMap, component);
export const landscape = (component) => mount(Landscape, component);
