// Packs files into a zip file and sends it: neither ever holds more than a few megabytes in the page's own memory.

import { makeZip } from "../../vendor/client-zip@2.5.1/index.js";
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
      throw new Error(`${files[packed - 1].name} cannot be read: it is locked, or gone. Choose the folder again.`);
    });
    if (!over) {
      piece.push(value);
      size += value.byteLength;
    }
    if (over || size > PIECE_BYTES) {
      pieces.push(new Blob(piece));
      [piece, size] = [[], 0];
      show(`Packing: ${count(packed, "file")} of ${count(files.length, "file")}`, packed / files.length);
    }
    if (over) return new Blob(pieces, { type: "application/zip" });
  }
}

/** Send the form's fields; {document, refused, url} of the page that answers. Throws an Error whose message is for people. */
export function post(url, fields, { signal, show, turn, of }) {
  const ahead = of > 1 ? `Part ${turn + 1} of ${of}: ` : "";
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const started = performance.now();
    show(`${ahead}sending …`, 0);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      const seconds = ((performance.now() - started) / 1000) * (total / loaded - 1);
      const timeLeft = loaded > 0 && performance.now() - started > 1000 ? ` · ${left(seconds)} left` : "";
      if (loaded < total) show(`${ahead}sent ${megabytes(loaded)} of ${megabytes(total)}${timeLeft}`, loaded / total);
      else show(`${ahead}sent. The server is reading it …`);
    });
    request.addEventListener("load", () => {
      const refused = request.status !== 200;
      const page = [200, 400].includes(request.status) && request.response?.querySelector("#content");
      if (page) resolve({ document: request.response, refused, url: request.responseURL });
      else reject(new Error(answered(request.status)));
    });
    request.addEventListener("error", () => reject(new Error("The connection was lost. Nothing was imported: try again.")));
    request.addEventListener("abort", () => reject(new Cancelled()));
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", url);
    request.responseType = "document";
    request.send(fields);
  });
}

function answered(status) {
  if (status === 413) return "A proxy in front of this server refuses files this large. Raise its limit, or choose fewer files.";
  if (status === 403) return "You are signed out or no longer a manager of this project. Reload the page.";
  return `The server answered ${status}. Try again.`;
}
