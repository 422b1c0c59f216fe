// Finds classes by what is typed: parts of words in any order, with or without accents, and with a slip or two.

// A slip is looked for only where fewer than this many classes match as typed.
const ENOUGH = 5;
const SAME = 0;
const BEGINS = 1;
const WORDS = 2;
const INSIDE = 3;
const SLIPS = 4;

export class Finder {
  #classes;
  #words = [];

  /** `lines`: for each class what it is called, its name first. */
  constructor(lines) {
    const numbers = new Map();
    const number = (word) => {
      if (!numbers.has(word)) numbers.set(word, this.#words.push(word) - 1);
      return numbers.get(word);
    };
    this.#classes = lines.map((texts) =>
      texts.map(fold).map((text) => ({ text, words: wordsOf(text).map(number) })),
    );
  }

  /**
   * Indices of the classes that match: called so, beginning so, with words that begin so in any order, with it inside,
   * and, where these are few, with slips. Among equals those first of which `uses(index)` is larger.
   */
  find(query, uses = () => 0) {
    const text = fold(query.trim());
    const tokens = wordsOf(text);
    const begun = tokens.map((token) => this.#words.map((word) => word.startsWith(token)));
    const matches = this.#rank((line) => rank(line, text, begun), uses);
    if (matches.length >= ENOUGH || !tokens.some(slips)) return matches;
    const near = tokens.map((token) => this.#words.map((word) => nearly(word, token)));
    const known = new Set(matches);
    const more = this.#rank((line) => (every(near, line.words) ? SLIPS : Infinity), uses);
    return [...matches, ...more.filter((index) => !known.has(index))];
  }

  #rank(of, uses) {
    const matches = [];
    this.#classes.forEach((lines, index) => {
      let best = Infinity;
      for (const line of lines) best = Math.min(best, of(line));
      if (best < Infinity) matches.push({ index, best, used: uses(index) });
    });
    matches.sort((a, b) => a.best - b.best || b.used - a.used || a.index - b.index);
    return matches.map(({ index }) => index);
  }
}

/** Lower case, without accents: what people type when they mean a name. */
function fold(text) {
  return text.normalize("NFD").replace(/\p{Mn}/gu, "").toLowerCase();
}

function wordsOf(text) {
  return text.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
}

/** Whether each token is begun by one of the words; `begun` says which words begin it. */
function every(begun, words) {
  return begun.length > 0 && begun.every((matches) => words.some((word) => matches[word]));
}

function rank(line, text, begun) {
  const at = line.text.indexOf(text);
  if (at === 0) return line.text === text ? SAME : BEGINS;
  if (every(begun, line.words)) return WORDS;
  return at > 0 ? INSIDE : Infinity;
}

/** How many slips a token may hold: a letter that is wrong, missing, too many, or changed about with the next. */
function slips(token) {
  return token.length < 4 ? 0 : token.length < 8 ? 1 : 2;
}

/** Whether the word begins with the token, slips allowed; its first letter may be missing or changed about, not wrong. */
function nearly(word, token) {
  if (word.startsWith(token)) return true;
  const most = slips(token);
  return most > 0 && (word[0] === token[0] || word[1] === token[0]) && distance(token, word, most) <= most;
}

/** Slips between the token and the beginning of the word that is nearest to it; more than `most` are not counted out. */
function distance(token, word, most) {
  const width = Math.min(word.length, token.length + most);
  let before = null;
  let above = Array.from({ length: width + 1 }, (_, column) => column);
  for (let row = 1; row <= token.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= width; column += 1) {
      const same = token[row - 1] === word[column - 1];
      let least = Math.min(above[column] + 1, line[column - 1] + 1, above[column - 1] + (same ? 0 : 1));
      const crossed = row > 1 && column > 1 && token[row - 1] === word[column - 2] && token[row - 2] === word[column - 1];
      if (crossed) least = Math.min(least, before[column - 2] + 1);
      line.push(least);
    }
    if (Math.min(...line) > most) return most + 1;
    before = above;
    above = line;
  }
  return Math.min(...above);
}
