// The kinds of item, by name. Each says how an item is loaded ahead, shown, and kept in the list of the last answers.
//
//   load(task, wanted, {small, many})  what `show` is given, loaded ahead; `wanted()`: the task may still be shown;
//                            `small`: it is a near-copy, which comes after what is asked about; `many`: it is one of a grid
//   files(item, {small})     the addresses of its files, as `load` asks for them
//   show(place, task, loaded)  put the item into `place`
//   thumbnail(task, seen)    what stands for it in the list; `seen`: it has been on the screen by itself
//   cell(task, loaded)       what stands for it in a grid, and `spoken(task)` its words, if it has any; where the kind has grids
//   copy({item, source, loaded, onready})  where the kind has grids: `{element, words, ready}`: what stands for a near-copy
//                            of `source`, its words for screen readers, and whether there is something to see; if not,
//                            `onready` is called once there is
//   keys, commands           letters that only this kind has, as {letter: command}; and {command: function}
//   signs                    other keys that it has, likewise, which may be held down
//   zoomed()                 where the kind can be looked at closely: whether arrows and fingers move it now, by the command `pan`

import * as audio from "./audio.js";
import * as image from "./image.js";
import * as text from "./text.js";
import * as vector from "./vector.js";

export const KINDS = { audio, image, text, vector };
