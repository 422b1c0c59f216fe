// Recordings: a drawn waveform, and buttons with their keys. Nothing plays by itself.

import { gettext, ngettext, number } from "../../words.js";
import { element, facts, named, note } from "./parts.js";

const BACK_SECONDS = 3;
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const STEP_SECONDS = 1;
const RETRY_MS = 2_000;
const PATIENCE_MS = 60_000;
const BARS = 240;
// What is drawn needs no more samples a second, and little memory with that: a tenth of what most recordings hold.
const DRAWN_RATE = 8_000;
const SVG = "http://www.w3.org/2000/svg";

export const keys = { p: "play", b: "back", r: "replay", l: "loop" };
export const signs = { "<": "slower", ">": "faster" };

let shown = null; // the player on the screen
let tellWay = () => {}; // shows how it plays
// How a person wants recordings played: from one to the next.
let speed = 1;
let loops = false;
let drawing = Promise.resolve(); // one waveform at a time is computed

export const commands = {
  play: () => act((audio) => (audio.paused ? start(audio) : audio.pause())),
  back: () => act((audio) => (audio.currentTime = Math.max(0, audio.currentTime - BACK_SECONDS))),
  replay: () =>
    act((audio) => {
      audio.currentTime = 0;
      start(audio);
    }),
  loop: () => {
    loops = !loops;
    act(inMyWay);
  },
  slower: () => changeSpeed(-1),
  faster: () => changeSpeed(1),
};

function changeSpeed(by) {
  speed = SPEEDS[Math.max(0, Math.min(SPEEDS.indexOf(speed) + by, SPEEDS.length - 1))];
  act(inMyWay);
}

function inMyWay(audio) {
  audio.loop = loops;
  audio.defaultPlaybackRate = speed; // what a recording that is fetched again begins with
  audio.playbackRate = speed;
  tellWay();
}

function act(what) {
  if (shown?.isConnected) what(shown);
}

function start(audio) {
  audio.play().catch(() => {}); // it has not arrived yet, which is said below it
}

/** The player of a task, with its waveform. Loading is tried again while the page needs it. */
export function load(task, wanted) {
  const url = task.item.media_url;
  if (!url) return null;
  const audio = document.createElement("audio");
  audio.preload = "auto";
  audio.dataset.state = "loading";
  audio.addEventListener("loadeddata", () => (audio.dataset.state = "ready"));
  audio.addEventListener("error", () => {
    audio.dataset.state = "failed";
    setTimeout(() => (wanted() || audio.isConnected) && (audio.src = url), RETRY_MS);
  });
  audio.src = url;
  const bars = drawing.then(() => (wanted() || audio.isConnected ? barsOf(url) : null)).catch(() => null);
  drawing = bars;
  return { audio, bars };
}

export function files({ media_url: url }) {
  return url ? [url] : [];
}

export function show(place, task, loaded) {
  shown?.pause();
  shown = loaded?.audio ?? null;
  const player = document.createElement("div");
  player.className = "player";
  if (loaded) fill(player, loaded);
  else player.append(note(gettext("This item has no recording. Skip it as broken.")));
  place.replaceChildren(player, ...facts(task.item.data));
}

export function thumbnail(task) {
  return named(task, gettext("Recording"));
}

function fill(player, { audio, bars }) {
  const wave = document.createElementNS(SVG, "svg");
  wave.setAttribute("class", "wave");
  wave.setAttribute("viewBox", `0 0 ${BARS} 100`);
  wave.setAttribute("preserveAspectRatio", "none");
  wave.setAttribute("role", "slider");
  wave.setAttribute("tabindex", "0");
  wave.setAttribute("aria-label", gettext("The recording"));
  wave.setAttribute("aria-valuemin", "0");
  const time = element("p", "");
  time.className = "time";
  const buttons = document.createElement("div");
  buttons.className = "player-buttons";
  const play = button(gettext("Play"), "P", commands.play);
  play.classList.add("play");
  const loop = button(gettext("Loop"), "L", commands.loop);
  buttons.append(button(gettext("Back 3 s"), "B", commands.back), play, button(gettext("From the start"), "R", commands.replay), loop);
  const rate = element("output", "");
  const slower = button(gettext("Slower"), "<", commands.slower);
  const faster = button(gettext("Faster"), ">", commands.faster);
  const speeds = document.createElement("div");
  speeds.className = "player-buttons speeds";
  speeds.append(slower, rate, faster);
  tellWay = () => {
    rate.textContent = `${speed}×`;
    loop.setAttribute("aria-pressed", loops);
    slower.setAttribute("aria-disabled", speed === SPEEDS[0]);
    faster.setAttribute("aria-disabled", speed === SPEEDS.at(-1));
  };
  // A click must not take the focus along: the next press of Space would then repeat the click.
  player.addEventListener("mousedown", (event) => event.preventDefault());
  wave.addEventListener("click", (event) => {
    const box = wave.getBoundingClientRect();
    if (audio.duration) audio.currentTime = ((event.clientX - box.left) / box.width) * audio.duration;
  });
  wave.addEventListener("keydown", (event) => seek(event, audio));

  let draw = () => {};
  const tell = () => {
    time.textContent = `${clock(audio.currentTime)} / ${clock(audio.duration)}`;
    play.firstChild.textContent = audio.paused || audio.ended ? gettext("Play") : gettext("Pause");
    draw(audio.duration ? audio.currentTime / audio.duration : 0);
    if (audio.paused) tellPlace(wave, audio); // while it plays, screen readers do not read the position
  };
  const follow = () => {
    tell();
    if (!audio.paused && audio.isConnected) requestAnimationFrame(follow);
  };
  audio.onplay = follow;
  for (const event of ["onpause", "onended", "onloadedmetadata", "ontimeupdate"]) audio[event] = tell;
  audio.onseeked = () => {
    tell();
    tellPlace(wave, audio);
  };
  player.append(audio, wave, time, buttons, speeds);
  player.append(note(gettext("The recording has not arrived yet. It is tried again every two seconds.")));
  audio.currentTime = 0;
  inMyWay(audio);
  tell();
  bars.then((heights) => {
    if (!heights) return;
    draw = drawn(wave, heights);
    const describe = () => wave.setAttribute("aria-label", inWords(heights, audio.duration));
    audio.ondurationchange = describe;
    describe();
    wave.dataset.state = "drawn";
    tell();
  });
}

/** Keys on the waveform move through the recording, as on any slider. */
function seek(event, audio) {
  if (!audio.duration || event.ctrlKey || event.metaKey || event.altKey) return;
  const { currentTime: at, duration } = audio;
  const to = {
    ArrowRight: at + STEP_SECONDS,
    ArrowUp: at + STEP_SECONDS,
    ArrowLeft: at - STEP_SECONDS,
    ArrowDown: at - STEP_SECONDS,
    PageUp: at + duration / 10,
    PageDown: at - duration / 10,
    Home: 0,
    End: duration,
  }[event.key];
  if (to === undefined) return;
  audio.currentTime = Math.max(0, Math.min(to, duration));
  event.preventDefault();
  event.stopPropagation();
}

function tellPlace(wave, { currentTime, duration }) {
  if (!Number.isFinite(duration)) return;
  wave.setAttribute("aria-valuemax", duration.toFixed(1));
  wave.setAttribute("aria-valuenow", currentTime.toFixed(1));
  wave.setAttribute("aria-valuetext", gettext("{at} of {duration}", { at: number(Number(currentTime.toFixed(1))), duration: seconds(duration) }));
}

function button(text, key, onclick) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = "button";
  // Where letters search, they need Shift.
  const shift = document.querySelector("#content").dataset.picker === "search" && /[A-Z]/.test(key);
  made.append(element("span", text), " ", element("kbd", shift ? `⇧${key}` : key));
  made.setAttribute("aria-keyshortcuts", shift ? `Shift+${key}` : key);
  made.addEventListener("click", onclick);
  return made;
}

/** Draw the bars; what is returned marks the part that has been played, a share from 0 to 1. */
function drawn(wave, heights) {
  const strokes = heights.map((height, at) => `M${at + 0.5} ${50 - 48 * height}V${50 + 48 * height}`);
  const bars = svg("path", { class: "bars", d: strokes.join("") });
  const played = svg("path", { class: "bars played" });
  const head = svg("line", { class: "head", y1: 0, y2: 100 });
  wave.replaceChildren(bars, played, head);
  return (share) => {
    played.setAttribute("d", strokes.slice(0, Math.round(share * BARS)).join(""));
    for (const end of ["x1", "x2"]) head.setAttribute(end, share * BARS);
  };
}

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** How loud the recording is in each of its parts, as shares of the loudest. */
async function barsOf(url) {
  const answer = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS) });
  if (!answer.ok) return null;
  const context = new OfflineAudioContext(1, 1, DRAWN_RATE);
  const samples = (await context.decodeAudioData(await answer.arrayBuffer())).getChannelData(0);
  const width = Math.max(1, samples.length / BARS);
  const heights = Array.from({ length: BARS }, (_, at) => {
    let most = 0;
    const end = Math.min(samples.length, Math.ceil((at + 1) * width));
    for (let index = Math.floor(at * width); index < end; index++) most = Math.max(most, Math.abs(samples[index]));
    return most;
  });
  const loudest = Math.max(...heights, 1e-6);
  return heights.map((height) => Math.max(0.01, height / loudest));
}

/** For those who do not see it. */
function inWords(heights, duration) {
  if (!Number.isFinite(duration)) return gettext("Waveform of the recording");
  const at = (heights.indexOf(Math.max(...heights)) / BARS) * duration;
  return gettext("Waveform of a recording of {duration}, loudest at {at}", { duration: seconds(duration), at: seconds(at) });
}

function seconds(value) {
  return ngettext("{n} second", "{n} seconds", Number(value.toFixed(value < 10 ? 1 : 0)));
}

function clock(value) {
  if (!Number.isFinite(value)) return "–";
  return `${Math.floor(value / 60)}:${(value % 60).toFixed(1).padStart(4, "0")}`;
}
