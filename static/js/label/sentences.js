// What people read while there is nothing to label, and what to do about it. Values in, words out.

import { gettext, isolated, listed, ngettext, number, time } from "../words.js";

/** A bar that says that something goes on, but not how far it is. */
export const ENDLESS = "endless";

const OPENS = () => gettext("It opens here by itself.");
const COMING = () => gettext("The next batch is on its way");
const NEXT_OPENS = () => gettext("The next batch opens here by itself.");

/** "The model is training, about 12 s left.", as long as it is known. */
function training(seconds) {
  if (seconds === null || seconds === undefined) return gettext("The model is training.");
  if (seconds <= 2) return gettext("The model is training, nearly done.");
  if (seconds < 90) return gettext("The model is training, about {seconds} s left.", { seconds });
  return gettext("The model is training, about {minutes} min left.", { minutes: Math.round(seconds / 60) });
}

function selecting(batch, seconds) {
  if (seconds === null || seconds === undefined) return gettext("Batch {batch} is being picked.", { batch });
  if (seconds <= 2) return gettext("Batch {batch} is being picked, nearly done.", { batch });
  if (seconds < 90) return gettext("Batch {batch} is being picked, about {seconds} s left.", { batch, seconds });
  return gettext("Batch {batch} is being picked, about {minutes} min left.", { batch, minutes: Math.round(seconds / 60) });
}

const sentences = (...parts) => parts.filter(Boolean).join(" ");

/**
 * What to show for `reason` (see the claim endpoint), given what the progress endpoint says: a title, a sentence and
 * perhaps a bar, ENDLESS or a share from 0 to 1.
 */
export function waiting(reason, progress = {}) {
  const { batch, loop, seconds_left: seconds, share, is_final: final } = progress;
  const last = loop === "stopped";
  // Only those who labeled in the batch are told that it is complete: others would wonder which one.
  const tookPart = Boolean(progress.own?.answered);
  const complete = tookPart ? gettext("Batch {batch} is complete", { batch }) : COMING();
  switch (reason) {
    case "training":
      if (!tookPart && (final || last)) return final ? STILL.finished() : STILL.stopped();
      if (final) return { ...STILL.finished(), title: complete, text: sentences(STILL.finished().text, part(progress)) };
      return {
        title: complete,
        text: last
          ? sentences(gettext("The model is training on it. No batch follows for now."), part(progress))
          : sentences(training(seconds), NEXT_OPENS(), part(progress)),
        bar: ENDLESS,
        home: last,
      };
    case "selecting":
      return {
        title: batch > 1 ? COMING() : gettext("The first batch is on its way"),
        text: sentences(selecting(batch, seconds), OPENS()),
        bar: ENDLESS,
      };
    case "encoding":
      return {
        title: gettext("Items are being imported"),
        text: gettext("The first batch opens here by itself when that is done."),
        bar: share ?? ENDLESS,
      };
    case "all_taken":
      return {
        title:
          progress.own?.answered && progress.answers !== progress.size
            ? gettext("You have answered all your items")
            : gettext("Others have the last items"),
        text: sentences(lastItems(progress), gettext("If one comes back, it appears here."), afterThem(last, final)),
      };
    case "limit_reached":
      return {
        title: gettext("That is all for today"),
        text: sentences(
          ngettext(
            "You have reached today's limit of {n} answer.",
            "You have reached today's limit of {n} answers.",
            progress.limit?.answers ?? 0,
          ),
          gettext("The next ones are free from {time}.", { time: time(progress.limit?.free_from) }),
        ),
        home: true,
      };
    default:
      return { ...(STILL[reason] ?? STILL.unknown)(), ...(reason === "failed" ? failed(progress) : {}) };
  }
}

const STILL = {
  on_hold: () => ({
    title: gettext("Your work is paused"),
    text: gettext("A manager will look at it and get in touch. Everything you answered is saved."),
    home: true,
  }),
  paused: () => ({
    title: gettext("Paused by a manager"),
    text: gettext("Labeling is paused. This page continues by itself when it resumes."),
  }),
  kept_for_others: () => ({
    title: gettext("Nothing for you at the moment"),
    text: gettext("The items that are left are for others, or others have them. If one becomes free, it appears here."),
  }),
  stopped: () => ({
    title: gettext("Stopped by a manager"),
    text: gettext("No batch follows for now. Ask a manager if you expected one; this page continues by itself when it comes."),
    home: true,
  }),
  finished: () => ({
    title: gettext("Everything is labeled"),
    text: gettext("No item is left. Thank you: there is nothing more to do here."),
    home: true,
  }),
  no_items: () => ({
    title: gettext("Nothing to label yet"),
    text: gettext("A manager has to import items first. The first batch then opens here by itself."),
    home: true,
  }),
  failed: () => ({ title: gettext("The batch has failed"), text: "" }),
  unknown: () => ({
    title: gettext("Nothing to label at the moment"),
    text: gettext("This page continues by itself when there are items."),
  }),
};

function failed({ batch }) {
  return {
    title: gettext("Batch {batch} has failed", { batch }),
    text: gettext("A manager has to look at it and try again; your answers are stored. This page then continues by itself."),
  };
}

/** What one has done oneself in the batch. */
function part({ own, size }) {
  if (!own?.answered) return "";
  if (own.answered === size) return gettext("All its answers are yours.");
  return ngettext("{n} answer of yours is in it.", "{n} answers of yours are in it.", own.answered);
}

function afterThem(last, final) {
  if (final) return gettext("No other item is left.");
  return last ? gettext("After that the model trains.") : gettext("The next batch opens here by itself, if items are left.");
}

function lastItems({ remaining, batch, answers: needed, size }) {
  if (!remaining || needed !== size) return gettext("The remaining answers to this batch are with other annotators.");
  return ngettext(
    "The last item of batch {batch} is with other annotators.",
    "The last {n} items of batch {batch} are with other annotators.",
    remaining,
    { batch },
  );
}

/** Why items or answers do not get through. `unsent` answers are kept in the browser. */
export function trouble(kind, unsent) {
  const kept = unsent ? ngettext("{n} answer is kept here and will be sent.", "{n} answers are kept here and will be sent.", unsent) : "";
  if (kind === "signed-out") {
    return { title: gettext("You are signed out"), text: sentences(gettext("Sign in to go on."), kept), signIn: true };
  }
  if (kind === "forbidden") {
    return {
      title: gettext("You cannot label here"),
      text: sentences(gettext("A manager has archived the project, changed your role, or removed you."), kept),
      home: true,
    };
  }
  return {
    title: gettext("No connection"),
    text: sentences(gettext("The next items come as soon as the server can be reached."), kept),
    bar: ENDLESS,
  };
}

/** The quiet line about answers that have not got through; "" where all is well. `items`: so many that the browser has
 *  kept are here, where the page has started without the server. */
export function unsentLine(kind, unsent, { durable, offline, items }) {
  if (offline && items && !unsent) return ngettext("Offline: {n} item is kept here", "Offline: {n} items are kept here", items);
  if (!kind || !unsent) return "";
  if (offline && durable) {
    return ngettext("Offline: {n} answer is kept here and will be sent", "Offline: {n} answers are kept here and will be sent", unsent);
  }
  if (!durable) {
    return ngettext(
      "{n} answer not sent yet – this browser cannot keep it: leave the page open",
      "{n} answers not sent yet – this browser cannot keep them: leave the page open",
      unsent,
    );
  }
  if (kind === "signed-out") {
    return ngettext(
      "{n} answer not sent yet – kept here and sent when you sign in",
      "{n} answers not sent yet – kept here and sent when you sign in",
      unsent,
    );
  }
  return ngettext(
    "{n} answer not sent yet – it is kept here and will be sent",
    "{n} answers not sent yet – they are kept here and will be sent",
    unsent,
  );
}

/**
 * How many near-copies get the answer of the item. `counted` are those of `all` that were not taken out, of which
 * `loading` have not arrived and `unseen` are outside of what is in view.
 */
export function copiesSentence({ all, counted, loading, unseen }) {
  if (!all) return "";
  if (!counted) return gettext("The answer is for this item alone");
  const parts = [];
  const now = counted - loading - unseen;
  if (now) parts.push(ngettext("The same answer for {n} more", "The same answer for {n} more", now));
  if (unseen && now) parts.push(ngettext("scroll for {n} other", "scroll for {n} others", unseen));
  if (unseen && !now) parts.push(ngettext("Scroll for {n} other", "Scroll for {n} others", unseen));
  if (loading) parts.push(ngettext("{n} not loaded yet", "{n} not loaded yet", loading));
  return listed(parts);
}

// More names than this say less than how many there are.
const NAMED = 3;

/** What has become of the classes: names that are new, gone, or others now. */
export function classesSentence({ added, gone, renamed }) {
  const names = (some) => listed(some.map(isolated));
  const parts = renamed
    .slice(0, NAMED)
    .map(([before, now]) => gettext("{before} is now {now}", { before: isolated(before), now: isolated(now) }));
  if (added.length > NAMED) parts.push(ngettext("{n} class is new", "{n} classes are new", added.length));
  else if (added.length) parts.push(ngettext("{names} is new", "{names} are new", added.length, { names: names(added) }));
  if (gone.length > NAMED) parts.push(ngettext("{n} class is gone", "{n} classes are gone", gone.length));
  else if (gone.length) parts.push(ngettext("{names} is gone", "{names} are gone", gone.length, { names: names(gone) }));
  if (!parts.length) return gettext("The classes have changed");
  const changes = parts.join(gettext("; "));
  return gettext("The classes have changed: {changes}", { changes });
}

/** Why an answer did not count. */
export function rejected(code, detail) {
  if (code === "taken") {
    return gettext("That item was already answered, by another person or by you in another browser. This answer was not needed.");
  }
  if (code === "batch_closed") return gettext("The batch was completed meanwhile; your last answer was not needed.");
  return gettext("An answer was refused: {detail}", { detail: isolated(detail) });
}

/** The suggested answer, from the import or the model. The text must not show which. */
export function predictionSentence({ value }) {
  const names = Array.isArray(value) ? listed(value.map((name) => isolated(String(name)))) || gettext("none applies") : null;
  const answer = names ?? (typeof value === "boolean" ? (value ? gettext("Yes") : gettext("No")) : isolated(String(value)));
  return gettext("Suggested: {answer}", { answer });
}
