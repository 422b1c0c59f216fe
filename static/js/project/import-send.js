// Packs files into a zip file and sends it: neither ever holds more than a few megabytes in the page's own memory.

import { makeZip } from "../../vendor/client-zip@2.5.1/index.js";
import { gettext, number } from "../words.js";
import { count, left, megabytes } from "./import-words.js";

const PIECE_BYTES = 8 << 20;

export class Cancelled extends Error {}

/** One zip file as a Blob, which browsers keep on disk when it is large. Paths are kept, nothing is packed smaller. */
export async function pack({ files }, { signal, show }) {
  let packed = 0;
  function* inputs() {
    for (const { name, file } of files) {
      packed += 1;
      yield { name, input: file };
    }
  }
  const reader = makeZip(inputs()).getReader();
  const pieces = [];
  let piece = [];
  let size = 0;
  for (;;) {
    if (signal.aborted) {
      await reader.cancel().catch(() => {}); // the library's generator ends by throwing the reason
      throw new Cancelled();
    }
    const { done: over, value } = await reader.read().catch(() => {
      const { name } = files[packed - 1];
      throw new Error(gettext("{name} cannot be read: it is locked, or gone. Choose the folder again.", { name }));
    });
    if (!over) {
      piece.push(value);
      size += value.byteLength;
    }
    if (over || size > PIECE_BYTES) {
      pieces.push(new Blob(piece));
      [piece, size] = [[], 0];
      const state = { done: number(packed), files: count(files.length, "file") };
      show(gettext("Packing: {done} of {files}", state), packed / files.length);
    }
    if (over) return new Blob(pieces, { type: "application/zip" });
  }
}

/** Send the form's fields; {document, refused, url} of the page that answers. Throws an Error whose message is for people. */
export function post(url, fields, { signal, show, turn, of }) {
  const say = (text, share) => show(of > 1 ? gettext("Part {n} of {all}: {step}", { n: turn + 1, all: of, step: text }) : text, share);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const started = performance.now();
    say(gettext("sending …"), 0);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      const seconds = ((performance.now() - started) / 1000) * (total / loaded - 1);
      const sent = gettext("sent {size} of {all}", { size: megabytes(loaded), all: megabytes(total) });
      const isClear = loaded > 0 && performance.now() - started > 1000;
      if (loaded === total) say(gettext("sent. The server is reading it …"));
      else say(isClear ? `${sent} · ${gettext("{time} left", { time: left(seconds) })}` : sent, loaded / total);
    });
    request.addEventListener("load", () => {
      const refused = request.status !== 200;
      const page = [200, 400].includes(request.status) && request.response?.querySelector("#content");
      if (page) resolve({ document: request.response, refused, url: request.responseURL });
      else reject(new Error(answered(request.status)));
    });
    request.addEventListener("error", () => reject(new Error(gettext("The connection was lost. Nothing was imported: try again."))));
    request.addEventListener("abort", () => reject(new Cancelled()));
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", url);
    request.responseType = "document";
    request.send(fields);
  });
}

function answered(status) {
  if (status === 413) {
    return gettext("A proxy in front of this server refuses files this large. Raise its limit, or choose fewer files.");
  }
  if (status === 403) {
    return gettext("You are signed out or no longer a manager of this project. Reload the page.");
  }
  return gettext("The server answered {status}. Try again.", { status });
}
