// Lists, adds and removes notes through the JSON API, and says what each request was answered with.
"use strict";

const section = document.getElementById("notes");
const form = section.querySelector("form");
const list = section.querySelector(".notes");
const status = section.querySelector(".status");
const url = section.dataset.url;

async function send(method, target, body) {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const response = await fetch(target, options);
  const answer = response.status === 204 ? null : await response.json();
  const detail = response.ok ? response.headers.get("Location") || "" : answer.detail;
  return { ok: response.ok, answer, line: `${method} ${target} → ${response.status} ${detail}` };
}

async function act(method, target, body) {
  try {
    const { ok, line } = await send(method, target, body);
    status.textContent = line;
    await show();
    return ok;
  } catch {
    status.textContent = `${method} ${target}: the server does not answer.`;
    return false;
  }
}

function item(note) {
  const title = document.createElement("span");
  title.textContent = note.title;
  title.title = note.text;
  const remove = document.createElement("button");
  remove.className = "quiet";
  remove.textContent = "Remove";
  remove.setAttribute("aria-label", `Remove the note ${note.title}`);
  remove.addEventListener("click", () => act("DELETE", `${url}/${note.id}`));
  const element = document.createElement("li");
  element.append(title, remove);
  return element;
}

async function show() {
  const { answer } = await send("GET", url);
  list.replaceChildren(...answer.notes.map(item));
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = form.elements.title;
  if (await act("POST", url, { title: input.value })) input.value = "";
});

show().catch(() => { status.textContent = "The notes cannot be read: the server does not answer."; });
