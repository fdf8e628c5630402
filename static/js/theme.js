// Runs before the first paint (it stands in the head of each page): applies the theme that the reader chose last, so that no
// other colour flashes, and marks the page as one with JavaScript.
(function () {
  var root = document.documentElement;
  root.classList.add("js");
  try {
    var saved = localStorage.getItem("theme");
    if (saved === "light" || saved === "dark") root.dataset.theme = saved;
  } catch {
    // Storage is off: the system's choice holds.
  }
})();
