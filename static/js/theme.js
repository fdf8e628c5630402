// Runs before the first paint (it stands in the head of each page): applies the theme that the reader chose last, so that no
// other colour flashes, and marks the page as one with JavaScript. A page that is whole without scripts names them here, to be seen
// before they are fetched.
(function () {
  var root = document.documentElement;
  root.classList.add("js");
  try {
    var saved = localStorage.getItem("theme");
    if (saved === "light" || saved === "dark") root.dataset.theme = saved;
  } catch {
    // Storage is off: the system's choice holds.
  }
  var later = document.currentScript.dataset.later;
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
