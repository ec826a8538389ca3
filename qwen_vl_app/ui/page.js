// Runs before Gradio. FACTS (made by document.py): texts in the person's language and the limit of uploads.
(() => {
  "use strict";
  // Gradio chooses its language from navigator.language and knows only exact names such as zh-CN.
  Object.defineProperty(navigator, "language", { get: () => FACTS.locale });
  const root = document.documentElement;
  if (!window.isSecureContext) root.classList.add("insecure");

  const byId = (id) => document.getElementById(id);
  const button = (id) => (byId(id)?.tagName === "BUTTON" ? byId(id) : byId(id)?.querySelector("button"));
  const press = (id) => {
    const found = button(id);
    if (found && found.offsetParent && !found.disabled) found.click();
    return Boolean(found);
  };

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      press("submit");
    } else if (event.key === "Escape") press("stop");
  }, true);

  // Buttons in our own pieces of HTML press hidden ones of Gradio's, which carry the event.
  window.pressed = { number: null }; // which of several, for the event's handler
  document.addEventListener("click", (event) => {
    const { press: name, number } = event.target.closest?.("[data-press]")?.dataset ?? {};
    if (!name) return;
    pressed.number = number === undefined ? null : Number(number);
    button(name)?.click();
  });

  // What is changed in the settings, gathered here: Gradio would hand two quick changes the same old state.
  let changed = null;
  window.settings = {
    keep: (kept, name, value) => (changed = { ...(changed ?? kept), [name]: value }),
    forget: () => (changed = {}),
  };

  const say = (words) => {
    const place = document.querySelector("dialog[open]") ?? document.body; // nothing else is seen beside a dialog
    const note = byId("page-note") ?? document.createElement("div");
    place.append(note);
    note.id = "page-note";
    note.setAttribute("role", "alert");
    note.textContent = words;
    clearTimeout(say.timer);
    say.timer = setTimeout(() => note.remove(), 10000);
  };

  document.addEventListener("say", (event) => say(event.detail));

  // The server says what is wrong with a file, in the person's language: Gradio's own English check of
  // the type (which refuses HEIC where the browser does not know it) is passed by giving a type.
  const typed = (file) =>
    file.type.startsWith("image/") ? file : new File([file], file.name, { type: "image/unknown" });

  const offer = (files) => {
    const input = document.querySelector("#picture input[type=file]");
    if (!input || !files.length) return;
    if (files[0].size > FACTS.maxBytes) return say(FACTS.tooLarge);
    const bag = new DataTransfer();
    bag.items.add(typed(files[0]));
    input.files = bag.files;
    input.dispatchEvent(new CustomEvent("change", { bubbles: true, detail: "offered" }));
  };

  document.addEventListener("change", (event) => {
    if (event.detail === "offered" || !event.target.matches("#picture input[type=file]")) return;
    event.stopPropagation();
    offer([...event.target.files]);
  }, true);

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    event.stopPropagation();
    offer(files);
  }, true);

  // A file dropped anywhere is meant for the page; without this the browser would leave the page for it.
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    event.preventDefault();
    if (!files.length) return;
    event.stopPropagation();
    document.querySelector("#picture button")?.dispatchEvent(new DragEvent("dragleave", { bubbles: true }));
    offer(files);
  }, true);

  // On a phone the answer is written above the button that asked for it.
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("#submit") && window.innerWidth <= 760)
      setTimeout(() => byId("chat")?.scrollIntoView({ behavior: "smooth", block: "start" }), 400);
  });

  // The chat holds answers with their tags escaped (ui/formula.py); what is copied is what was answered. Without
  // https there is no clipboard to write to: a selection is copied instead.
  const plain = (words) => words.replaceAll("&lt;", "<");
  const copySelected = async (words) => {
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = words;
    field.select();
    document.execCommand("copy");
    field.remove();
  };
  const clipboard = navigator.clipboard;
  const write = clipboard ? clipboard.writeText.bind(clipboard) : copySelected;
  const writeText = (words) => write(plain(words));
  if (clipboard) clipboard.writeText = writeText;
  else Object.defineProperty(navigator, "clipboard", { value: { writeText } });

  // A place in the list and the same place on the picture light up together.
  for (const [event, lit] of [["mouseover", true], ["focusin", true], ["mouseout", false], ["focusout", false]])
    document.addEventListener(event, ({ target }) => {
      const number = target.closest?.("[data-place]")?.dataset.place;
      if (number !== undefined)
        target.closest(".finding").querySelectorAll(`[data-place="${number}"]`)
          .forEach((part) => part.classList.toggle("lit", lit));
    });

  // What Gradio says in English whatever the language: names of its buttons, titles of its pop-ups.
  const relabel = () => {
    for (const part of document.querySelectorAll("[aria-label], [title]"))
      for (const name of ["aria-label", "title"]) {
        const words = FACTS.labels[part.getAttribute(name)];
        if (words) part.setAttribute(name, words);
      }
    document.querySelectorAll("#examples .gallery-item").forEach((part, index) =>
      part.setAttribute("aria-label", FACTS.example.replace("{number}", index + 1)));
    // Gradio leaves the button around a shown picture without a name, and names messages that have no role.
    for (const part of document.querySelectorAll(".image-container > button:not([aria-label])"))
      part.setAttribute("aria-label", FACTS.shown);
    for (const part of document.querySelectorAll("#chat [data-testid=user]:not([role]), #chat [data-testid=bot]:not([role])")) {
      part.setAttribute("role", "group");
      part.setAttribute("aria-label", FACTS[part.dataset.testid]);
    }
    for (const toast of document.querySelectorAll("[data-testid=toast-body]")) {
      const texts = document.createTreeWalker(toast, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const words = FACTS.notes[texts.currentNode.data.trim()];
        if (words) texts.currentNode.data = words;
      }
    }
  };
  new MutationObserver(relabel).observe(root, { subtree: true, childList: true });
})();
