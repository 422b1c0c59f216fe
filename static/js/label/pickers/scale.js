import { ButtonPicker } from "./buttons.js";

/** The points of a scale, side by side from the lowest to the highest. */
export class ScalePicker extends ButtonPicker {
  widthOf() {
    return "scale";
  }
}
