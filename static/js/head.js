// Runs before the first paint (it stands in the head of each page): applies the theme that the reader chose last, so that no other
// colour flashes, and marks the page as one with JavaScript. Its element may name what the page's first plots need, which is asked for
// while the modules that draw them are still on their way (see ahead.js), or, of a page that is whole without scripts, the scripts,
// which are then fetched once the page is seen.
(function () {
  var root = document.documentElement;
  var named = document.currentScript.dataset;
  root.classList.add("js");
  try {
    var saved = localStorage.getItem("theme");
    if (saved === "light" || saved === "dark") root.dataset.theme = saved;
  } catch {
    // Storage is off: the system's choice holds.
  }
  var ahead = (window.ahead = new Map());
  for (var address of (named.ahead || "").split(" ").filter(Boolean)) {
    var answer = fetch(address, { headers: { Accept: "application/json" } });
    answer.catch(function () {}); // Whoever asks for it says what went wrong.
    ahead.set(address, answer);
  }
  var later = named.later;
  if (!later) return;
  // Where they can't be had, the page stays one without.
  var alone = function () {
    root.classList.remove("js");
  };
  var begin = function () {
    for (var script of later.split(" ")) import(script).catch(alone);
  };
  addEventListener("DOMContentLoaded", function () {
    if (document.hidden || !PerformanceObserver.supportedEntryTypes.includes("paint")) return begin();
    new PerformanceObserver(begin).observe({ type: "paint", buffered: true });
    document.addEventListener("visibilitychange", begin);
  });
})();
