// Runs before the first paint (a classic script in the head): applies the theme that the reader chose last, so that no other
// colour flashes, marks the page as one with JavaScript, and asks for what the page's first plots need, while the modules that draw
// them are still on their way (see ahead.js).
(function () {
  var root = document.documentElement;
  root.classList.add("js");
  try {
    var saved = localStorage.getItem("theme");
    if (saved === "light" || saved === "dark") root.dataset.theme = saved;
  } catch {
    // Storage is off: the system's choice holds.
  }
  var ahead = (window.ahead = new Map());
  for (var address of (document.currentScript.dataset.ahead || "").split(" ").filter(Boolean)) {
    var answer = fetch(address, { headers: { Accept: "application/json" } });
    answer.catch(function () {}); // Whoever asks for it says what went wrong.
    ahead.set(address, answer);
  }
})();
