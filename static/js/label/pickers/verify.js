import { forward, gettext } from "../../words.js";
import { flash } from "./keys.js";

const YES = ["y", "Y", "1", "ArrowRight"];
const NO = ["n", "N", "2", "ArrowLeft"];

/** Yes or no on the proposed class. */
export class VerifyPicker {
  static needsClasses = false;
  typed = false;
  #yes = document.querySelector('#answers [data-value="true"]');
  #no = document.querySelector('#answers [data-value="false"]');
  #onanswer;

  constructor({ onanswer }) {
    this.#onanswer = onanswer;
    this.#yes.addEventListener("click", () => this.right());
    this.#no.addEventListener("click", () => this.left());
  }

  takes(key) {
    return YES.includes(forward(key)) || NO.includes(forward(key));
  }

  press(key) {
    if (YES.includes(forward(key))) this.right();
    else this.left();
  }

  /** A swipe to the right says yes. */
  right() {
    flash(this.#yes);
    this.#onanswer(true, gettext("Yes"));
  }

  left() {
    flash(this.#no);
    this.#onanswer(false, gettext("No"));
  }

  send() {}

  reset() {}
}
