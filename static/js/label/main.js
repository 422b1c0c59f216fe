// The annotator's screen: makes the parts and ties them together.

import { gettext } from "../words.js";
import { Api, SignedOut } from "./api.js";
import { BatchProgress } from "./batch.js";
import { showClasses } from "./class-guide.js";
import { Classes } from "./classes.js";
import { Connection } from "./connection.js";
import { Copies } from "./copies.js";
import { Dialogs } from "./dialogs.js";
import { Grids } from "./grids.js";
import { Guard } from "./guard.js";
import { Guidelines } from "./guidelines.js";
import { History } from "./history.js";
import { commandOf } from "./keys.js";
import { Kept } from "./kept.js";
import { KINDS } from "./kinds/index.js";
import { Labeler } from "./labeler.js";
import { Outbox } from "./outbox.js";
import { Pace, Stopwatch } from "./pace.js";
import { createPicker, needsClasses } from "./pickers/index.js";
import { Preloader } from "./preload.js";
import { DRAWN, TaskQueue } from "./queue.js";
import { ENDLESS, trouble, unsentLine } from "./sentences.js";
import { Store } from "./store.js";
import { onSwipe } from "./swipe.js";
import { Tabs } from "./tabs.js";
import { View } from "./view.js";
import { Waiting } from "./waiting.js";

const config = JSON.parse(document.querySelector("#label-config").textContent);
const key = `marginalia:${config.user}:${config.project}`;
const { picker: pickerName, proposes } = document.querySelector("#content").dataset; // facts of the question

// Answers left over from an earlier visit are sent before the first claim, unless that takes longer than this.
const START_MS = 3_000;

const api = new Api(config.urls);
await api.verify(config.signedIn);
const kind = KINDS[config.kind];
const view = new View(kind);
const outbox = new Outbox(new Store(`${key}:outbox`), api);
const preloader = new Preloader(kind);
const { leaseSeconds } = config;
const queue = new TaskQueue({ api, outbox, preloader, leaseSeconds, keptReady: Kept.works ? config.keptReady : DRAWN });
const kept = new Kept({
  ...config,
  filesOf: ({ item }) => [
    ...kind.files(item),
    ...[...(config.grids ? [item] : []), ...(item.copies ?? [])].flatMap((each) => kind.files(each, { small: true })),
  ],
  held: () => (settled ? { tasks: queue.tasks, answered: outbox.answeredTasks() } : null),
});
const history = new History(key, kind);
const batch = new BatchProgress({ api, outbox });
const pace = new Pace();
const guard = new Guard();
const stopwatch = new Stopwatch();
const dialogs = new Dialogs();
const guidelines = new Guidelines({
  api,
  view,
  version: config.guidelinesVersion,
  onopen: () => dialogs.showGuide(),
});
const tabs = new Tabs(key);
const waiting = new Waiting({
  queue,
  outbox,
  batch,
  view,
  signIn,
  onready: () => labeler.show(),
});

const answers = document.querySelector("#answers");
const [...unused] = answers.cloneNode(true).childNodes; // a picker fills them, and another one needs new ones
const known = needsClasses(pickerName) ? await loadClasses() : null;
// Where no picker needs the classes, what they mean is fetched beside the work.
if (known) showClasses(known.classes, known.details, kind);
else api.classes().then((reply) => showClasses(reply.classes, reply.details, kind)).catch(() => {});
const classes = new Classes({
  api,
  queue,
  view,
  known,
  revision: known?.revision ?? config.classRevision,
  picker: pickerName,
});
kept.classes = known;
let picker = pickerOf(known ?? { classes: [] });
new Connection({
  api,
  probe: () => api.progress(),
  onback: () => {
    if (outbox.trouble) outbox.retryNow();
    if (queue.trouble) queue.claim();
    waiting.look();
  },
});
const copies = config.copies ? new Copies({ kind, preloader, view }) : null;
const grids = config.grids
  ? new Grids({
      view,
      preloader,
      guard,
      stopwatch,
      queue,
      outbox,
      history,
      guidelines,
      pace,
      kind,
      kindName: config.kind,
      proposes: proposes !== undefined,
      key,
    })
  : null;
const labeler = new Labeler({
  queue,
  outbox,
  preloader,
  history,
  guidelines,
  picker,
  pace,
  batch,
  view,
  waiting,
  guard,
  stopwatch,
  grids,
  copies,
  classes,
});

let yielded = false; // another tab has taken over
let settled = false; // the queue has the person's held tasks

tieEvents();
tieInput();
await start();

function signIn() {
  location.assign(config.urls.signIn);
}

/** The classes are needed before anything else: try until they are here. */
async function loadClasses() {
  for (;;) {
    try {
      return await api.classes();
    } catch (error) {
      const text = gettext("The page continues by itself. {error}", { error: error.message });
      const away = { title: gettext("No connection"), text, bar: ENDLESS };
      const out = { ...trouble("signed-out", outbox.unsent), button: gettext("Sign in"), onbutton: signIn };
      view.showPanel(error instanceof SignedOut ? out : away);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

/** Send what an earlier visit has left, then claim: the server then gives nothing that is answered already. Without the
 *  server, go on with what was held. */
async function start() {
  yielded = settled = false;
  tabs.takeOver();
  queue.clear();
  queue.cells = grids?.held ?? 0;
  const patience = () => new Promise((resolve) => setTimeout(resolve, START_MS));
  await Promise.race([outbox.start(), patience()]);
  const claimed = Promise.all([queue.claim(), batch.refresh()]).then(() => queue.trouble !== "unreachable");
  if (!(await Promise.race([claimed, patience()]))) queue.restore(await kept.tasks());
  settled = true;
  keep();
  pace.start(api);
  labeler.show();
}

function pickerOf({ classes: names, details, above }) {
  const onanswer = (value, said) => labeler.answer(value, said);
  return createPicker(pickerName, { names, details, above, several: config.several, onanswer });
}

/** The classes are others now: show them, with what was chosen of them so far. */
function showNewClasses(changed, rename) {
  kept.classes &&= changed;
  showClasses(changed.classes, changed.details, kind);
  const chosen = picker.chosen && [...picker.chosen].map(rename).filter((name) => changed.classes.includes(name));
  const typed = document.querySelector("#search")?.value;
  if (needsClasses(pickerName)) {
    answers.replaceChildren(...unused.map((node) => node.cloneNode(true)));
    picker = pickerOf(changed);
  }
  labeler.adopt(picker, chosen);
  if (typed) picker.type(typed);
}

function tieEvents() {
  queue.onchange = () => {
    classes.follow(queue.classRevision);
    guidelines.follow(queue.guidelinesVersion);
    if (!queue.trouble && queue.reason !== "paused") history.keep(queue.openBatches);
    showUnsent();
    keep();
    if (!queue.trouble && !queue.reason) batch.claimed(queue.batch);
    batch.show();
  };
  queue.onlost = (lost) => {
    const shown = lost.some((task) => grids?.holds(task) || String(task.id) === view.stage.dataset.task);
    if (!shown) return;
    dialogs.cancelSkip();
    labeler.lost(lost.map((task) => task.id));
  };
  outbox.onchange = () => {
    showUnsent();
    batch.show();
    keep();
  };
  outbox.onclasses = (revision) => classes.follow(revision);
  classes.onchange = showNewClasses;
  outbox.onaccepted = (entry) => {
    batch.taken(entry);
    if (entry.type !== "undo") queue.answered();
  };
  outbox.onrejected = (entry, code, detail) => labeler.rejected(entry, code, detail);
  history.onundo = (entry) => labeler.undo(entry);
  if (grids) grids.onnext = (said, before) => labeler.show(said, before);
  dialogs.onskip = (reason, words, proposed, comment) => labeler.skip(reason, words, proposed, comment);
  tabs.onyield = () => {
    yielded = true;
    settled = false;
    outbox.stop();
    waiting.stop();
    queue.clear();
    view.showPanel({
      title: gettext("You are labeling in another tab"),
      text: gettext("One tab at a time, so that no item is answered twice. Nothing is lost."),
      button: gettext("Label here"),
      onbutton: start,
    });
  };
  document.addEventListener("visibilitychange", () => !document.hidden && lookAround());
  // A page that the browser keeps for the way back keeps its tasks too.
  addEventListener("pagehide", (event) => !event.persisted && !yielded && leave());
  addEventListener("pageshow", (event) => event.persisted && comeBack());
}

function leave() {
  outbox.leave();
  if (navigator.onLine) queue.release();
}

function lookAround() {
  if (api.outdated) location.reload(); // a person has signed in meanwhile
  else if (outbox.trouble) outbox.retryNow();
}

/** Back on this page, which stood still meanwhile: are the tasks still ours? */
function comeBack() {
  lookAround();
  if (yielded) return;
  tabs.takeOver();
  queue.claim();
}

/** Cache the held tasks, once the server has listed them. */
function keep() {
  if (!settled || api.outdated) return;
  if (queue.trouble === "forbidden") kept.forget();
  else if (queue.classRevision !== null) kept.soon();
}

function showUnsent() {
  const signedOut = [outbox.trouble, queue.trouble].includes("signed-out");
  const offline = !navigator.onLine;
  const items = queue.restored ? queue.tasks.length : 0;
  view.showUnsent(unsentLine(outbox.trouble, outbox.unsent, { durable: outbox.durable, offline, items }), signedOut);
}

function tieInput() {
  const commands = {
    undo: () => labeler.undo(),
    skip: () => view.showsItem && dialogs.askWhy(),
    flag: () => labeler.toggleFlag(),
    comment: () => labeler.writeComment(),
    guide: () => dialogs.showGuide(),
    dismiss: () => {
      guidelines.dismiss();
      classes.dismiss();
    },
    keys: () => dialogs.showKeys(),
    press: ({ key }) => picker.press(key),
    send: () => picker.send(),
    search: () => picker.focus(),
    accept: () => picker.accept(),
    browse: () => picker.browse(),
    move: ({ by }) => picker.move(by),
    scroll: ({ by }) => view.scroll(by),
    copies: () => copies.enter(),
    allCopies: () => copies.toggleAll(),
    ...kind.commands,
  };
  const carryOut = (name, details) => !yielded && commands[name](details);
  document.addEventListener("keydown", (event) => {
    // Browsers click a button again and again while a key is held down on it.
    if (event.repeat && isButton(event.target) && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    if (dialogs.open || classes.open) return;
    if (event.target === view.comment) {
      if (event.key === "Enter" || event.key === "Escape") view.comment.blur();
      return;
    }
    // What sets the view has keys of its own.
    if (event.target.matches?.(".viewer-tools input")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (grids?.shown && !yielded && grids.key(event)) {
      event.preventDefault();
      return;
    }
    if (copies?.key(event)) {
      event.preventDefault();
      return;
    }
    const command = commandOf(event, {
      picker,
      copies: Boolean(copies),
      several: config.several,
      kindKeys: kind.keys,
      kindSigns: kind.signs,
      zoomed: kind.zoomed?.(),
      waiting: !view.showsItem,
      typed: picker.typed,
      onButton: isButton(event.target) || event.target instanceof HTMLAnchorElement,
    });
    if (!command) return;
    // What is typed goes into the search field; a slash only opens it.
    if (command.name !== "search" || event.key === "/") event.preventDefault();
    carryOut(command.name, command);
  });
  for (const name of ["undo", "skip", "flag", "guide", "keys"]) {
    document.querySelector(`#${name}`).addEventListener("click", () => carryOut(name));
  }
  onSwipe(view.stage, view.item, {
    left: () => !view.showsGrid && (picker.left ? view.showsItem && picker.left() : carryOut("skip")),
    right: () => !view.showsGrid && (picker.right ? view.showsItem && picker.right() : carryOut("undo")),
    held: () => kind.zoomed?.(),
  });
}

function isButton(element) {
  return element instanceof HTMLButtonElement;
}
