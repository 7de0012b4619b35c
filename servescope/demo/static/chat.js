// The chat room's page: one WebSocket, which connects again when the server was away.
"use strict";

const RETRY_MS = 2000;
const section = document.getElementById("chat");
const form = section.querySelector("form");
const list = section.querySelector(".talk");
const status = section.querySelector(".status");
const scheme = location.protocol === "https:" ? "wss" : "ws";
let socket = null;
let me = "";

function show(message) {
  const item = document.createElement("li");
  if (message.kind === "said") {
    const who = document.createElement("span");
    who.className = "who";
    who.textContent = message.who;
    item.append(who, message.text);
    if (message.who === me) item.className = "mine";
  } else {
    item.className = "notice";
    item.textContent = message.text;
  }
  list.append(item);
  list.scrollTop = list.scrollHeight;
}

function enable(isOpen) {
  for (const element of form.elements) element.disabled = !isOpen;
}

function connect() {
  socket = new WebSocket(`${scheme}://${location.host}/ws/chat`);
  socket.addEventListener("message", (event) => {
    const message = JSON.parse(event.data);
    if (message.kind === "welcome") {
      me = message.who;
      list.replaceChildren();
      message.history.forEach(show);
      enable(true);
    } else if (message.kind !== "count") {
      show(message);
    }
    if (message.people) {
      const others = message.people === 1 ? "nobody else is here" : `${message.people} are here`;
      status.textContent = `You are ${me}; ${others}.`;
    }
  });
  socket.addEventListener("close", (event) => {
    enable(false);
    status.textContent = `Closed with code ${event.code}; connecting again …`;
    setTimeout(connect, RETRY_MS);
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  socket.send(form.elements.text.value);
  form.elements.text.value = "";
  form.elements.text.focus();
});

connect();
