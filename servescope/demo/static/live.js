// Server-sent events and a WebSocket echo, each with what it costs to reach: nothing but a URL.
"use strict";

const KEPT_LINES = 30;

function add(list, text) {
  const item = document.createElement("li");
  item.textContent = text;
  list.append(item);
  while (list.children.length > KEPT_LINES) list.firstElementChild.remove();
  list.scrollTop = list.scrollHeight;
}

function listen(section) {
  const button = section.querySelector("button");
  const status = section.querySelector(".status");
  const list = section.querySelector(".log");
  let source = null;
  button.addEventListener("click", () => {
    if (source) {
      source.close();
      source = null;
      button.textContent = "Listen";
      status.textContent = "Closed by this page.";
      return;
    }
    source = new EventSource("/events");
    button.textContent = "Stop";
    status.textContent = "Connecting …";
    source.addEventListener("open", () => { status.textContent = "The response is open."; });
    source.addEventListener("tick", (event) => {
      const tick = JSON.parse(event.data);
      add(list, `${tick.number}: ${tick.time}`);
    });
    source.addEventListener("error", () => {
      status.textContent = "The server is away; the browser tries again by itself.";
    });
  });
}

function talk(section) {
  const form = section.querySelector("form");
  const status = section.querySelector(".status");
  const list = section.querySelector(".log");
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  let socket = null;
  const waiting = [];

  function open() {
    socket = new WebSocket(`${scheme}://${location.host}/ws/echo`);
    socket.addEventListener("open", () => {
      status.textContent = "Connected.";
      while (waiting.length) send(waiting.shift());
    });
    socket.addEventListener("message", (event) => {
      const ms = (performance.now() - sent.shift()).toFixed(1);
      add(list, `${event.data}  (${ms} ms there and back)`);
    });
    socket.addEventListener("close", (event) => {
      status.textContent = `Closed with code ${event.code}; the next message connects again.`;
      socket = null;
      sent.length = 0;
    });
  }

  const sent = [];
  function send(text) {
    sent.push(performance.now());
    socket.send(text);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const input = form.elements.text;
    if (socket && socket.readyState === WebSocket.OPEN) {
      send(input.value);
    } else {
      waiting.push(input.value);
      if (!socket) open();
    }
    input.value = "";
  });
}

listen(document.getElementById("events"));
talk(document.getElementById("echo"));
