// The list of earlier conversations: what is written is kept as it is written; any of them can be gone on with.
const conversations = (() => {
  "use strict";
  const words = FACTS.words;
  const TITLE = 60; // characters of an answer that name a conversation
  const NONE = { id: "", pictures: "", more: [] };
  let current = NONE; // what is on the page; its pictures by their paths on the server
  let waiting = null; // what the page is about to take over

  const guarded = (work) => async (...given) => {
    try {
      return await work(...given);
    } catch (error) {
      if (error instanceof SyntaxError || error instanceof TypeError) say(words.history_bad);
      else say(words.history_failed);
    }
  };
  const say = (text) => document.dispatchEvent(new CustomEvent("say", { detail: text }));

  const fileUrl = (path) => `gradio_api/file=${path.split("/").map(encodeURIComponent).join("/")}`;
  const titleOf = (answer) => {
    const line = answer.replace(/[#*_`>$\\]/g, "").trim().split("\n")[0];
    return line.length > TITLE ? line.slice(0, TITLE - 1) + "…" : line;
  };
  const content = async (path) => (path ? (await fetch(fileUrl(path))).blob() : null);
  const fresh = async ({ picture, name, second, second_name, exchanges }) => ({
    id: `${Date.now()}-${Math.random().toString(36).slice(2)}`,
    title: titleOf(exchanges[0].answer),
    created: Date.now(),
    name,
    picture: await content(picture),
    second_name,
    second: await content(second),
    more: [],
  });
  // The pictures added to later questions: what is kept already is not fetched again.
  const added = (files, kept, paths) =>
    Promise.all(files.map(async ({ path, name }, at) =>
      paths[at] === path && kept[at] ? kept[at] : { name, picture: await content(path) }));
  const pathsOf = (picture, second) => `${picture ?? ""}\n${second ?? ""}`;

  // Told by the page after each turn what the conversation is now.
  const keep = guarded(async (record) => {
    const { picture, second, more, exchanges } = record;
    if (!picture && !exchanges.length) current = NONE;
    if (!exchanges.length) return;
    const pictures = pathsOf(picture, second);
    const known = current.id && current.pictures === pictures && (await store.get(current.id));
    const item = known || (await fresh(record));
    const files = await added(more, item.more ?? [], known ? current.more : []);
    current = { id: item.id, pictures, more: more.map(({ path }) => path) };
    await store.put({ ...item, more: files, exchanges, changed: Date.now() });
  });

  const upload = async (picture, name) => {
    if (!picture) return null;
    const form = new FormData();
    form.append("files", picture, name || "picture.png");
    const answer = await fetch("gradio_api/upload", { method: "POST", body: form });
    if (!answer.ok) throw new Error(answer.status);
    const [path] = await answer.json();
    return { path, orig_name: name, meta: { _type: "gradio.FileData" } };
  };

  const open = guarded(async (id) => {
    const item = await store.get(id);
    if (!item) return;
    const file = await upload(item.picture, item.name);
    const second = await upload(item.second, item.second_name);
    const more = await Promise.all((item.more ?? []).map((each) => upload(each.picture, each.name)));
    waiting = [{ exchanges: item.exchanges }, file, second, more];
    current = { id, pictures: pathsOf(file?.path, second?.path), more: more.map(({ path }) => path) };
    dialog().close();
    document.getElementById("reopen").click();
  });
  const take = () => waiting;

  // After a change of language the page begins anew: with the conversation that was on it.
  const comeBack = () => current.id && sessionStorage.setItem("comeBack", current.id);
  const watch = new MutationObserver(() => {
    const id = sessionStorage.getItem("comeBack");
    if (id && !document.getElementById("reopen")) return;
    if (id && !document.querySelector("#foot .foot")) return;
    watch.disconnect();
    sessionStorage.removeItem("comeBack");
    if (id) open(id);
  });
  watch.observe(document.documentElement, { subtree: true, childList: true });

  const make = (tag, properties = {}, ...children) => {
    const { data = {}, ...rest } = properties;
    const part = Object.assign(document.createElement(tag), rest);
    Object.assign(part.dataset, data);
    part.append(...children);
    return part;
  };
  const button = (label, onclick, data = {}) => make("button", { type: "button", textContent: label, onclick, data });
  const save = (name, type, content) => {
    const url = URL.createObjectURL(new Blob([content], { type }));
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  };
  const fileName = (title) => title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "picture";

  const rename = (item, entry) => {
    const field = make("input", { value: item.title, ariaLabel: words.history_title, maxLength: 200 });
    const finish = guarded(async () => {
      const title = field.value.trim();
      if (title) await store.put({ ...(await store.get(item.id)), title });
      await list(item.id);
    });
    field.onkeydown = (event) => {
      event.stopPropagation();
      if (event.key === "Enter") finish();
      else if (event.key === "Escape") {
        event.preventDefault();
        list(item.id);
      }
    };
    entry.querySelector(".open").replaceWith(field, button(words.history_save, finish));
    field.select();
  };

  const remove = (item) => {
    const first = ({ target }) => {
      target.textContent = words.history_sure;
      target.onclick = guarded(async () => {
        await store.remove(item.id);
        if (current.id === item.id) current = NONE;
        await list();
      });
    };
    return button(words.history_delete, first, { act: "delete" });
  };

  const entryOf = (item) => {
    const image = make("img", { alt: "" });
    if (item.picture) image.src = URL.createObjectURL(item.picture);
    image.onload = () => URL.revokeObjectURL(image.src);
    const when = new Date(item.changed).toLocaleString(FACTS.locale, { dateStyle: "medium", timeStyle: "short" });
    const title = make("span", {}, make("b", { textContent: item.title }), make("small", { textContent: when }));
    const opener = make("button", { type: "button", className: "open", onclick: () => open(item.id) });
    opener.append(item.picture ? image : make("i", { className: "none" }), title);
    const name = fileName(item.title);
    const entry = make("li", { data: { id: item.id } }, opener);
    entry.append(make("div", { className: "acts" },
      button(words.history_rename, () => rename(item, entry), { act: "rename" }),
      button("Markdown", () => save(`${name}.md`, "text/markdown", store.asMarkdown(item)), { act: "markdown" }),
      button("JSON", guarded(async () => save(`${name}.json`, "application/json", await store.asJson([item]))),
        { act: "json" }),
      remove(item)));
    return entry;
  };

  const list = guarded(async (focus) => {
    const items = await store.all();
    const body = dialog().querySelector("ul");
    body.replaceChildren(...items.map(entryOf));
    dialog().querySelector(".empty").hidden = items.length > 0;
    dialog().querySelector("[data-act=export]").disabled = !items.length;
    (body.querySelector(`[data-id="${focus}"] .open`) ?? dialog().querySelector("[data-act=close]")).focus();
  });

  const exported = guarded(async () =>
    save("conversations.json", "application/json", await store.asJson(await store.all())));
  const imported = guarded(async (file) => {
    say(words.history_imported.replace("{number}", await store.takeIn(await file.text())));
    await list();
  });

  const built = () => {
    const file = make("input", { type: "file", accept: ".json,application/json", hidden: true });
    file.onchange = async () => {
      if (file.files[0]) await imported(file.files[0]);
      file.value = "";
    };
    const close = button("×", () => dialog().close(), { act: "close" });
    close.ariaLabel = words.history_close;
    const panel = make("dialog", { id: "history" },
      make("header", {}, make("h2", { id: "history-title", textContent: words.history }), close),
      make("p", { textContent: words.history_where }),
      make("p", { className: "empty", textContent: words.history_empty }),
      make("ul"),
      make("div", { className: "ends" }, button(words.history_export, exported, { act: "export" }),
        button(words.history_import, () => file.click(), { act: "import" }), file));
    panel.setAttribute("aria-labelledby", "history-title");
    panel.onclick = (event) => event.target === panel && panel.close(); // beside it
    return document.body.appendChild(panel);
  };
  const dialog = () => document.getElementById("history") ?? built();
  const show = () => {
    dialog().showModal();
    list();
  };

  return { keep, open, take, comeBack, show };
})();
