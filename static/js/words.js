// The words of scripts, in the page's language. The page has the translations (#texts); without one English is shown.

const { language = "en", texts = {} } = JSON.parse(document.querySelector("#texts")?.textContent ?? "{}");
const rules = new Intl.PluralRules(language);
// The order of gettext's plural forms.
const CATEGORIES = ["zero", "one", "two", "few", "many", "other"].filter((each) => rules.resolvedOptions().pluralCategories.includes(each));
// The page's keys are these digits, in every language.
const LOCALE = `${language}-u-nu-latn`;

/** Whether the page is read from right to left. */
export const mirrored = document.documentElement.dir === "rtl";

/** A text in the page's language; `{name}` stands for a value. */
export function gettext(text, values = {}) {
  return filled(texts[text] ?? text, values);
}

/** A text about `n` things; `{n}` stands for the number. */
export function ngettext(one, many, n, values = {}) {
  const forms = texts[one];
  const form = forms?.[Math.min(CATEGORIES.indexOf(rules.select(n)), forms.length - 1)];
  return filled(form ?? (n === 1 ? one : many), { n: number(n), ...values });
}

/** A step's phase, such as "importing cats.zip", in the page's language; the phase's object follows the translation. */
export function phaseInWords(phase) {
  const words = phase.split(" ");
  for (let end = words.length; end; end--) {
    const known = words.slice(0, end).join(" ");
    if (known in texts) return [texts[known], ...words.slice(end)].join(" ");
  }
  return phase;
}

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** 1,797: as the server writes numbers. */
export const number = (n, options = {}) => n.toLocaleString(LOCALE, options);

/** 14:05, by the clock of this device. */
export const time = (moment) => new Date(moment).toLocaleTimeString(LOCALE, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** The parts as a list: "a, b". */
export const listed = (parts) => parts.join(gettext(", "));

const OTHER_WAY = { ArrowLeft: "ArrowRight", ArrowRight: "ArrowLeft" };

/** The key as on a page that is read from left to right: ArrowRight goes on, ArrowLeft goes back. */
export const forward = (key) => (mirrored && OTHER_WAY[key]) || key;

const TURNING = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc]/;
const DIRECTIONS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A name for a sentence: whatever is in it, the words beside it stay where they are. */
export const isolated = (name) => (mirrored || TURNING.test(name) ? `\u2068${name.replace(DIRECTIONS, "")}\u2069` : name);
