// The guidelines on this screen: their version, and the message about a change.
//
// The status line shows a change and never moves the focus: an answer that is under way goes on. From then on the
// guidelines dialog has the new text, and above it what changed, until that is dismissed.

import { gettext } from "../words.js";

export class Guidelines {
  /** The number of the version on the screen: each answer is sent with it. */
  version;

  #api;
  #view;
  #seen;
  #asking = false;
  #notice = document.querySelector("#guidelines-changed");
  #open = document.querySelector("#guidelines-open");
  #text = document.querySelector("#guide-text");
  #changes = document.querySelector("#guide-changes");

  constructor({ api, view, version, onopen }) {
    this.#api = api;
    this.#view = view;
    this.version = version;
    this.#seen = version;
    this.#open.addEventListener("click", onopen);
    document.querySelector("#guidelines-dismiss").addEventListener("click", () => this.dismiss());
    document.querySelector("#guide-dialog").addEventListener("close", () => this.dismiss());
  }

  /** The server has this version: fetch it if the screen has another. Fails in silence: the next claim tries again. */
  async follow(newest) {
    if (newest === null || newest === this.version || this.#asking) return;
    this.#asking = true;
    try {
      this.#show(await this.#api.guidelines(this.#seen));
    } catch {
      // Other code shows problems with the connection.
    } finally {
      this.#asking = false;
    }
  }

  #show({ version, html, changes, summary }) {
    this.version = version;
    this.#text.replaceChildren(...parsed(html));
    this.#changes.querySelector("#changes").replaceChildren(...parsed(changes));
    this.#changes.hidden = false;
    this.#open.textContent = summary
      ? gettext("The guidelines have changed, {summary}", { summary })
      : gettext("The guidelines have changed");
    this.#notice.hidden = false;
    this.#view.announce(`${this.#open.textContent}. ${gettext("G shows them, Escape dismisses this.")}`);
  }

  /** The change is known: say it no more. */
  dismiss() {
    if (this.#notice.hidden) return;
    if (this.#notice.contains(document.activeElement)) document.activeElement.blur();
    this.#seen = this.version;
    this.#notice.hidden = true;
    this.#changes.hidden = true;
  }
}

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body.childNodes;
}
