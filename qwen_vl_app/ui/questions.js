// Every question of the conversation can be changed and asked again; Gradio's own button knows only the last one.
const questions = (() => {
  "use strict";
  let chosen = 0;
  const rows = () => [...document.querySelectorAll("#chat .user-row")];

  const pencil = (row) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "change", title: FACTS.change, textContent: "✎" });
    button.setAttribute("aria-label", FACTS.change);
    button.dataset.press = "take-back";
    button.addEventListener("click", () => (chosen = rows().indexOf(row)));
    return button;
  };

  new MutationObserver(() => {
    for (const row of rows()) if (!row.querySelector(".change")) row.append(pencil(row));
  }).observe(document.documentElement, { subtree: true, childList: true });

  return { chosen: () => chosen };
})();
