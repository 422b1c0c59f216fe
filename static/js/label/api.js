// The calls that the screen makes, and the few ways in which they can fail.

import { gettext } from "../words.js";

/** The server cannot be reached or is in trouble: the same call may succeed later. */
class Unreachable extends Error {}

/** The session has ended, or another person has signed in: nothing may be sent from this page. */
export class SignedOut extends Error {}

/** The server has understood and said no; `code` is for programs, the message for people. */
export class Refused extends Error {
  constructor(status, code, detail) {
    super(detail);
    this.status = status;
    this.code = code;
  }
}

const NO_ID = "00000000-0000-0000-0000-000000000000";
const TIMEOUT_MS = 20_000;
// Browsers let requests outlive their page up to 64 KiB in all.
const KEEPALIVE_BYTES = 30_000;

/** Over HTTPS its cookie has a prefix; one without it may be left from before. */
function csrfToken() {
  const named = (prefix) => document.cookie.match(new RegExp(`(?:^|; )${prefix}csrftoken=([^;]+)`))?.[1];
  return named("__Host-") ?? named("") ?? "";
}

export class Api {
  /** Called when the server cannot be reached any more, and when it can again. */
  ondown = () => {};
  onreached = () => {};

  #urls;
  #token = csrfToken();
  #down = false;
  #forAnother = false;

  constructor(urls) {
    this.#urls = urls;
  }

  /** Whether a person has signed in or out since this page was made. */
  get outdated() {
    return this.#forAnother || csrfToken() !== this.#token;
  }

  /** `signedIn`: the digest of the token when this page was made. A page from the browser's cache may belong to another person. */
  async verify(signedIn) {
    // Without HTTPS browsers keep no page, and have no digests.
    if (crypto.subtle) this.#forAnother = (await digest(this.#token)) !== signedIn;
  }

  /** `sameClass`: what is new is to be of one class, for a grid. */
  claim(count, sameClass) {
    return this.#call("POST", this.#urls.claim, { count, same_class: sameClass });
  }

  /** Send answers `{id, task, value, seconds, flagged, guidelines_version}`; each is accepted or rejected by itself. */
  answer(annotations) {
    return this.#call("POST", this.#urls.annotations, { annotations });
  }

  skip(skip) {
    return this.#call("POST", this.#urls.skip, skip);
  }

  /** Give tasks back, unless they were claimed again after the claim at `claimed_at`. */
  release(tasks, claimed_at) {
    return this.#call("POST", this.#urls.release, { tasks, claimed_at });
  }

  undo(annotationId) {
    return this.#call("DELETE", this.#urls.annotation.replace(NO_ID, annotationId));
  }

  progress() {
    return this.#call("GET", this.#urls.progress);
  }

  /** The classes as they are, and the present names of those that had others at the revision `since`. */
  classes(since) {
    return this.#call("GET", since === undefined ? this.#urls.classes : `${this.#urls.classes}?since=${since}`);
  }

  /** The guidelines as they are, and what changed since this version. */
  guidelines(since) {
    return this.#call("GET", `${this.#urls.guidelines}?since=${since}`);
  }

  async answersSince(time) {
    return (await this.#call("GET", `${this.#urls.today}?since=${encodeURIComponent(time.toISOString())}`)).answers;
  }

  async #call(method, url, body) {
    // Signing in changes the token: this page would now send requests in another person's name.
    if (this.outdated) throw new SignedOut(gettext("You signed in or out in another tab."));
    const text = body && JSON.stringify(body);
    return this.#watched(url, {
      method,
      headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": this.#token },
      body: text,
      credentials: "same-origin",
      redirect: "manual",
      keepalive: method !== "GET" && (text?.length ?? 0) < KEEPALIVE_BYTES,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  }

  async #watched(url, options) {
    let reached = true;
    try {
      return await read(await send(url, options));
    } catch (error) {
      reached = !(error instanceof Unreachable);
      throw error;
    } finally {
      if (reached === this.#down) {
        this.#down = !reached;
        if (reached) this.onreached();
        else this.ondown();
      }
    }
  }
}

async function digest(text) {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function send(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    throw new Unreachable(String(error));
  }
}

async function read(response) {
  const { status } = response;
  if (response.type === "opaqueredirect" || status === 401) throw new SignedOut(gettext("You are signed out."));
  if (status >= 500 || status === 429 || status === 408) throw new Unreachable(gettext("The server answered {status}.", { status }));
  let body;
  try {
    body = await response.json();
  } catch {
    // A proxy or a hotel's sign-in page answered in the server's place.
    throw new Unreachable(gettext("The answer was not JSON."));
  }
  if (response.ok) return body;
  if (status === 403 && String(body.detail).startsWith("CSRF")) throw new SignedOut(body.detail);
  throw new Refused(status, body.code ?? "error", body.detail ?? gettext("The server answered {status}.", { status }));
}
