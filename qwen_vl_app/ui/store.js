// Conversations with their pictures, kept in this browser only (IndexedDB). One object per conversation:
// id, title, created and changed (ms), name and picture (Blob or null), second_name and second of a second picture, more
// of those added to later questions (name and picture each), and the exchanges as the server gave them: question, answer
// and how they were asked, their pictures by their places in more.
const store = (() => {
  "use strict";
  const FORMAT = "ask-your-pictures/1";

  const opened = () =>
    new Promise((done, fail) => {
      const request = indexedDB.open("conversations", 1);
      request.onupgradeneeded = () => request.result.createObjectStore("conversations", { keyPath: "id" });
      request.onsuccess = () => done(request.result);
      request.onerror = () => fail(request.error);
    });

  const run = async (mode, work) => {
    const database = await opened();
    try {
      return await new Promise((done, fail) => {
        const transaction = database.transaction("conversations", mode);
        const request = work(transaction.objectStore("conversations"));
        transaction.oncomplete = () => done(request.result);
        transaction.onabort = transaction.onerror = () => fail(transaction.error);
      });
    } finally {
      database.close();
    }
  };

  const get = (id) => run("readonly", (table) => table.get(id));
  const put = (item) => run("readwrite", (table) => table.put(item));
  const remove = (id) => run("readwrite", (table) => table.delete(id));
  const all = async () =>
    (await run("readonly", (table) => table.getAll())).sort((one, other) => other.changed - one.changed);

  const base64 = (blob) =>
    new Promise((done, fail) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
      reader.onerror = () => fail(reader.error);
      reader.readAsDataURL(blob);
    });

  const file = async (blob, name) => blob && { name, type: blob.type, data: await base64(blob) };
  const portable = async ({ picture, name, second, second_name, more, ...rest }) => ({
    ...rest,
    more: await Promise.all((more ?? []).map((each) => file(each.picture, each.name))),
    picture: await file(picture, name),
    second: await file(second, second_name),
  });

  // One JSON file with everything in it, pictures in base64.
  const asJson = async (items) =>
    JSON.stringify({ format: FORMAT, conversations: await Promise.all(items.map(portable)) }, null, 1);

  const asMarkdown = ({ title, name, exchanges }) =>
    [`# ${title}`, ...(name ? [`*${name}*`] : []), ...exchanges.flatMap(({ question, answer }) => [
      question.split("\n").map((line) => `> ${line}`).join("\n"), answer])].join("\n\n") + "\n";

  const isText = (value) => typeof value === "string";
  const isExchange = (value) => isText(value?.question) && isText(value?.answer);
  const isFile = (file) => !file || (isText(file.data) && isText(file.name));
  const isConversation = (value) =>
    isText(value?.id) && isText(value?.title) && Number.isFinite(value.created) && Number.isFinite(value.changed) &&
    Array.isArray(value.exchanges) && value.exchanges.length && value.exchanges.every(isExchange) &&
    [value.picture, value.second, ...(value.more ?? [])].every(isFile);

  const blobOf = ({ data, type }) => {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
    return new Blob([bytes], { type: /^image\/[\w.+-]+$/.test(type) ? type : "image/unknown" });
  };

  // Adds the conversations of such a file and says how many; throws if it is none, and then adds nothing.
  const takeIn = async (json) => {
    const { format, conversations } = JSON.parse(json);
    if (format !== FORMAT || !conversations.every(isConversation)) throw new TypeError(format);
    const items = conversations.map(({ id, title, created, changed, exchanges, picture, second, more }) => ({
      id, title, created, changed, exchanges,
      name: picture?.name ?? "", picture: picture ? blobOf(picture) : null,
      second_name: second?.name ?? "", second: second ? blobOf(second) : null,
      more: (more ?? []).map((each) => ({ name: each.name, picture: blobOf(each) })),
    }));
    for (const item of items) await put(item);
    return items.length;
  };

  return { get, put, remove, all, asJson, asMarkdown, takeIn };
})();
