// Pickers: how a value is chosen, by the name that the server gives (`Question.picker`).
//
// A picker has `takes(key)` and `press(key)` for keys of its own, `send()`, `reset(value)` and `typed`; `left()` and
// `right()` if a swipe answers; `move(by)`, `focus()` and `browse()` if it searches; `accepts` and `accept()` if Enter
// takes a suggestion; `chosen` if an answer may have several classes; `spoken` if something is read out with the item. It calls `onanswer(value, said)` with a value
// as the API takes it and as people say it.

import { ButtonPicker } from "./buttons.js";
import { ManyOf, OneOf } from "./choice.js";
import { ScalePicker } from "./scale.js";
import { SearchPicker } from "./search.js";
import { VerifyPicker } from "./verify.js";

const PICKERS = { buttons: ButtonPicker, scale: ScalePicker, search: SearchPicker, verify: VerifyPicker };

/** Whether it must know all classes. */
export const needsClasses = (name) => PICKERS[name].needsClasses;

/** `several`: an answer is a list of classes. */
export function createPicker(name, { names, details, above, several, onanswer }) {
  const newChoice = () => (several ? new ManyOf(onanswer) : new OneOf(onanswer)); // for pickers that choose classes alone
  return new PICKERS[name]({ names, details, above, onanswer, newChoice });
}
