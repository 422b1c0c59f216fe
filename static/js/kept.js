// What a browser keeps so that a person can label without a network: a cache for each person and project, which
// label/kept.js fills.

const MARK = "marginalia:";

export const cacheOf = (user, project) => `${MARK}${user}:${project}`;

/** Delete the caches of all people but `user`, if one is given. Answers that wait to be sent are stored elsewhere. */
export async function forgetAllBut(user) {
  const others = (await caches.keys()).filter((name) => name.startsWith(MARK) && !name.startsWith(`${MARK}${user}:`));
  await Promise.all(others.map((name) => caches.delete(name)));
}
