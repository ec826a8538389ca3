// Every question of the conversation can be changed and asked again; Gradio's own button knows only the last one.
(() => {
  "use strict";
  const pencil = (number) => {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "change", title: FACTS.change, textContent: "✎" });
    button.setAttribute("aria-label", FACTS.change);
    Object.assign(button.dataset, { press: "take-back", number });
    return button;
  };

  new MutationObserver(() => {
    document.querySelectorAll("#chat .user-row").forEach((row, number) => {
      if (!row.querySelector(".change")) row.append(pencil(number));
    });
  }).observe(document.documentElement, { subtree: true, childList: true });
})();
