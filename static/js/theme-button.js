// The button in the header: light or dark, remembered where the browser allows it.

/** Makes `button` switch the theme. */
export function keepThemeButton(button) {
  button.addEventListener("click", () => {
    const { dataset } = document.documentElement;
    const dark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("theme", dataset.theme);
    } catch {
      // Storage is off: the choice holds for this page.
    }
  });
}
