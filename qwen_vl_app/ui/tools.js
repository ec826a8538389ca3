// Language and look, both kept in the browser. Runs before Gradio, which asks the browser whether it is dark.
(() => {
  "use strict";
  const YEAR = 365 * 24 * 3600; // s
  const ask = window.matchMedia.bind(window);
  const system = ask("(prefers-color-scheme: dark)");
  const chosen = () => localStorage.getItem("look");
  const isDark = () => (chosen() ? chosen() === "dark" : system.matches);

  const answer = new EventTarget();
  Object.defineProperty(answer, "matches", { get: isDark });
  window.matchMedia = (query) => (query.includes("prefers-color-scheme: dark") ? answer : ask(query));
  const wear = () => {
    document.documentElement.style.colorScheme = isDark() ? "dark" : "light";
    answer.dispatchEvent(new Event("change"));
  };
  system.addEventListener("change", wear);
  wear();

  const speak = (language) => {
    document.cookie = `${FACTS.languageCookie}=${language}; Max-Age=${YEAR}; Path=/; SameSite=Lax`;
    conversations.comeBack();
    location.reload();
  };

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("[data-do], [data-language]");
    for (const open of document.querySelectorAll(".tools details[open]"))
      if (!open.contains(event.target)) open.open = false;
    if (pressed?.dataset.language) speak(pressed.dataset.language);
    else if (pressed?.dataset.do === "look") {
      localStorage.setItem("look", isDark() ? "light" : "dark");
      wear();
    } else if (pressed?.dataset.do === "history") conversations.show();
  });
})();
