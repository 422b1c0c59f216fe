{% load static %}// Answers in the server's place with what js/label/kept.js has kept, while the server is away, in trouble or slow.
// Each release replaces this worker: {% static 'js/label/main.js' %}

const PATIENCE_MS = 4_000;

addEventListener("install", (event) => {
  skipWaiting();
  // What a page sends as it is left would wait for this worker and be lost, in Chromium, which alone knows routes.
  event.addRoutes?.(["POST", "DELETE"].map((requestMethod) => ({ condition: { requestMethod }, source: "network" })));
});
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (event.request.method === "GET") event.respondWith(answer(event.request));
});

async function answer(request) {
  const kept = await caches.match(request, { ignoreVary: true });
  if (!kept) return fetch(request);
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const reply = await Promise.race([fetch(request).catch(() => null), late]);
  return reply && reply.status < 500 ? reply : kept;
}
