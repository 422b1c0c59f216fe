// The kinds of item, by name. Each says how an item is loaded ahead, shown, and kept in the list of the last answers.
//
//   load(task, wanted)       what `show` is given, loaded ahead; `wanted()`: somebody may still come to it
//   show(place, task, loaded)  put the item into `place`
//   thumbnail(task)          what stands for it in the list
//   keys, commands           letters that only this kind has, as {letter: command}; and {command: function}

import * as audio from "./audio.js";
import * as image from "./image.js";
import * as text from "./text.js";
import * as vector from "./vector.js";

export const KINDS = { audio, image, text, vector };
