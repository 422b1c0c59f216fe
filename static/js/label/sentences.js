// What people read while there is nothing to label, and what to do about it. Values in, words out.

/** "about 12 s left", as long as it is known. */
function left(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds <= 2) return ", nearly done";
  if (seconds < 90) return `, about ${seconds} s left`;
  return `, about ${Math.round(seconds / 60)} min left`;
}

/** 1,797: as the server writes numbers. */
export const number = (n) => n.toLocaleString("en");

export const count = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

/** 02:00, by the clock of this device. */
const time = (moment) => new Date(moment).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });

export const answers = (n) => count(n, "answer");

/** A bar that says that something goes on, but not how far it is. */
export const ENDLESS = "endless";

/**
 * What to show for `reason` (see the claim endpoint), given what the progress endpoint says: a title, a sentence and
 * perhaps a bar, ENDLESS or a share from 0 to 1.
 */
export function waiting(reason, progress = {}) {
  const { batch, loop, seconds_left: seconds, share, is_final: final } = progress;
  const last = loop === "stopped";
  switch (reason) {
    case "training":
      if (final) {
        return { ...STILL.finished, title: `Batch ${batch} is complete`, text: `${STILL.finished.text}${part(progress)}` };
      }
      return {
        title: `Batch ${batch} is complete`,
        text: last
          ? `The model is training on it. No batch follows for now.${part(progress)}`
          : `The model is training${left(seconds)}. The next batch opens here by itself.${part(progress)}`,
        bar: ENDLESS,
        home: last,
      };
    case "selecting":
      return {
        title: batch > 1 ? `Batch ${batch - 1} is complete` : "The first batch is on its way",
        text: `Batch ${batch} is being picked${left(seconds)}. It opens here by itself.`,
        bar: ENDLESS,
      };
    case "encoding":
      return {
        title: "Items are being imported",
        text: "The first batch opens here by itself when that is done.",
        bar: share ?? ENDLESS,
      };
    case "all_taken":
      return {
        title: progress.own?.answered && progress.answers !== progress.size ? "You have answered all your items" : "Others have the last items",
        text: `${lastItems(progress)} with other annotators. If one comes back, it appears here. ${afterThem(last, final)}`,
      };
    case "limit_reached":
      return {
        title: "That is all for today",
        text: `You have reached today's limit of ${answers(progress.limit?.answers ?? 0)}. The next ones are free from ${time(progress.limit?.free_from)}.`,
        home: true,
      };
    default:
      return { ...(STILL[reason] ?? STILL.unknown), ...(reason === "failed" ? failed(progress) : {}) };
  }
}

const STILL = {
  on_hold: {
    title: "Your work is paused",
    text: "A manager will look at it and get in touch. Everything you answered is saved.",
    home: true,
  },
  paused: {
    title: "Paused by a manager",
    text: "Items are not given out for now. This page continues by itself when labeling does.",
  },
  kept_for_others: {
    title: "Nothing for you at the moment",
    text: "The items that are left are for others, or others have them. If one becomes free, it appears here.",
  },
  stopped: {
    title: "Stopped by a manager",
    text: "No batch follows for now. Ask a manager if you expected one; this page goes on by itself when it comes.",
    home: true,
  },
  finished: {
    title: "Everything is labeled",
    text: "No item is left. Thank you: there is nothing more to do here.",
    home: true,
  },
  no_items: {
    title: "Nothing to label yet",
    text: "A manager has to import items first. The first batch then opens here by itself.",
    home: true,
  },
  failed: { title: "The batch has failed", text: "" },
  unknown: { title: "Nothing to label at the moment", text: "This page goes on by itself as soon as there is." },
};

function failed({ batch }) {
  return {
    title: `Batch ${batch} has failed`,
    text: "A manager has to look at it and try again; your answers are stored. This page then goes on by itself.",
  };
}

/** What one has done oneself in the batch. */
function part({ own, size }) {
  if (!own?.answered) return "";
  return own.answered === size ? " All its answers are yours: thank you." : ` ${answers(own.answered)} of yours are in it.`;
}

function afterThem(last, final) {
  if (final) return "No other item is left.";
  return last ? "After that the model trains." : "The next batch opens here by itself, if items are left.";
}

function lastItems({ remaining, batch, answers: needed, size }) {
  if (!remaining || needed !== size) return "The remaining answers to this batch are";
  return `The ${remaining === 1 ? "last item" : `last ${number(remaining)} items`} of batch ${batch} ${remaining === 1 ? "is" : "are"}`;
}

/** Why items or answers do not get through. `unsent` answers are kept in the browser. */
export function trouble(kind, unsent) {
  const kept = unsent ? ` ${answers(unsent)} ${unsent === 1 ? "is" : "are"} kept here and will be sent.` : "";
  if (kind === "signed-out") {
    return { title: "You are signed out", text: `Sign in to go on.${kept}`, signIn: true };
  }
  if (kind === "forbidden") {
    return { title: "You cannot label here", text: `A manager has archived the project, changed your role, or removed you.${kept}`, home: true };
  }
  return { title: "No connection", text: `The next items come as soon as the server can be reached.${kept}`, bar: ENDLESS };
}

/** The quiet line about answers that have not got through; "" where all is well. `items`: so many that the browser has
 *  kept are here, where the page has started without the server. */
export function unsentLine(kind, unsent, { durable, offline, items }) {
  if (offline && items && !unsent) return `Offline: ${count(items, "item")} ${items === 1 ? "is" : "are"} kept here`;
  if (!kind || !unsent) return "";
  if (offline && durable) return `Offline: ${answers(unsent)} ${unsent === 1 ? "is" : "are"} kept here and will be sent`;
  const start = `${answers(unsent)} not sent yet`;
  if (!durable) return `${start} – this browser cannot keep ${unsent === 1 ? "it" : "them"}: leave the page open`;
  if (kind === "signed-out") return `${start} – kept here and sent when you sign in`;
  return `${start} – ${unsent === 1 ? "it is" : "they are"} kept here and will be sent`;
}

/**
 * How many near-copies get the answer of the item. `counted` are those of `all` that were not taken out, of which
 * `loading` have not arrived and `unseen` are outside of what is in view.
 */
export function copiesSentence({ all, counted, loading, unseen }) {
  if (!all) return "";
  if (!counted) return "The answer is for this item alone";
  const parts = [];
  const now = counted - loading - unseen;
  if (now) parts.push(`The same answer for ${number(now)} more`);
  if (unseen) parts.push(`${now ? "scroll" : "Scroll"} for ${count(unseen, "other")}`);
  if (loading) parts.push(`${number(loading)} not loaded yet`);
  return parts.join(", ");
}

// More names than this say less than how many there are.
const NAMED = 3;

/** What has become of the classes: names that are new, gone, or others now. */
export function classesSentence({ added, gone, renamed }) {
  const list = (names) => (names.length > NAMED ? `${number(names.length)} classes` : names.map(isolated).join(", "));
  const is = (names) => (names.length === 1 ? "is" : "are");
  const parts = renamed.slice(0, NAMED).map(([before, now]) => `${isolated(before)} is now ${isolated(now)}`);
  if (added.length) parts.push(`${list(added)} ${is(added)} new`);
  if (gone.length) parts.push(`${list(gone)} ${is(gone)} gone`);
  return `The classes have changed${parts.length ? `: ${parts.join("; ")}` : ""}`;
}

/** Why an answer did not count. */
export function rejected(code, detail) {
  if (code === "taken") return "That item was already answered, by another person or by you in another browser. This answer was not needed.";
  if (code === "batch_closed") return "The batch was completed meanwhile; your last answer was not needed.";
  return `An answer was refused: ${detail}`;
}

const TURNING = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/;
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A name for a sentence: whatever is in it, the words beside it stay where they are. */
export const isolated = (name) => (TURNING.test(name) ? `\u2068${name.replace(DIRECTIONS, "")}\u2069` : name);

/** The suggested answer, from the import or the model. The text must not show which. */
export function predictionSentence({ value }) {
  const names = Array.isArray(value) ? value.map((name) => isolated(String(name))).join(", ") || "none applies" : null;
  const answer = names ?? (typeof value === "boolean" ? (value ? "Yes" : "No") : isolated(String(value)));
  return `Suggested: ${answer}`;
}
